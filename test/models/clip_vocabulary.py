"""A small byte-pair vocabulary in the form of CLIP's: single bytes, bytes that end a word, joined pairs, the frame."""
import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

TEXTS = [
    "a photo of a cat and a photograph of the dogs at night, over the sea and the mountains",
    "oil painting of a castle on a hill at sunset, golden light, highly detailed, 8k, trending",
    "the quick brown fox jumps over the lazy dog; it's what they've been told, isn't it? we'll see!",
    "ein Mädchen mit Perlenohrring, der Wanderer über dem Nebelmeer, une fille à la fenêtre, señor",
    "кошка на крыше ночью, море и горы, 夜の海と山, 猫の写真, 밤바다와 산, 猫在屋顶上, γάτα στη στέγη, בלילה, قطة في الليل",
    "((masterpiece)), (best quality:1.2), [blurry], --ar 16:9, 1girl, 35mm, f/1.8, c++ && <tag> {x}",
]
PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def write_vocabulary(folder, pad, joined=400):
    """Writes vocab.json, merges.txt and the configs beside them, with `pad` as the pad token."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    signs = byte_signs()
    trainer = trainers.BpeTrainer(vocab_size=512 + joined, end_of_word_suffix="</w>", initial_alphabet=signs, show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    tokens = signs + [f"{sign}</w>" for sign in signs]
    tokens += [joined for joined in dict.fromkeys("".join(pair) for pair in merges) if joined not in set(tokens)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges) + "\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": pad}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "tokenizer_config.json").write_text(json.dumps({**special, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}))


def byte_signs():
    """How byte-level encodings write the 256 bytes, in the order of CLIP's vocabulary: "!" is the first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
