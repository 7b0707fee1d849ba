"""Writes what transformers' CLIPTokenizer makes of many prompts, with a small vocabulary in the form of CLIP's.

In transformers 5 CLIPTokenizer is what CLIPTokenizerFast was in 4, and both give the same ids.

    python token_ids.py OUTPUT_FOLDER [COUNT]

Makes OUTPUT_FOLDER/{end,bang}: a tokenizer folder for each of the two pad conventions (<|endoftext|> and "!"), and
prompts.json in each: a list of {text, ids}, ids without the padding behind them.
"""
import json
import random
import sys
import unicodedata
from pathlib import Path

from transformers import CLIPTokenizerFast

from clip_vocabulary import TEXTS, write_vocabulary

FIXED = [
    "", " ", "a photo of a cat", "A PHOTO  of\ta\nCat", "!", "!!!", "cat!", "cat!!!", "cat !", "! cat", "wow!!! so, 1970!",
    "it's they've we'll I'M you'd", "'s 's", "don't", "l'été d'août", "42 3.14 1,000,000", "½ ² Ⅷ ٣ ४", "naïve café façade",
    "e\u0301 cafe\u0301", "ﬁ ligature", "ÅÄÖ åäö ß ẞ", "İstanbul ıI", "ΑΒΓ αβγς Σ", "москва зимой", "夜の海と山", "猫の写真。", "밤바다",
    "猫在屋顶上", "γάτα στη στέγη", "בלילה על הים", "قطة في الليل", "चाँदनी रात", "แมวบนหลังคา", "ხომალდი", "😀", "👩‍👩‍👧‍👦 family", "🇯🇵 flag",
    "☕️ cup", "a\u200bb zero width", "soft\u00adhyphen", "non\u00a0breaking\u3000ideographic", "tab\tand\r\nlines", "\ufeffbom",
    "(best quality), ((masterpiece)), [blurry]", "--ar 16:9 --v 5", "c++ && <tag> {x} $5 100% #1 @me", "“quotes” ‘single’ … — –",
    "http://example.com/a?b=c&d=e", "snake_case kebab-case CamelCase", "a" * 300, "cat " * 100, "!" * 100, "夜" * 60, "aaaaaa bbbbbb " * 12,
]
SIGNS = list("!!!,,..;:'\"()[]{}<>-_+=*&%$#@^~`|\\/?") + ["…", "—", "“", "”", "’", "€", "№", "°", "×", "→", "★", "♥"]
EMOJI = ["😀", "🌊", "🏔️", "👩‍🎨", "🔥", "✨", "🇯🇵", "🤖", "☕️", "🐈‍⬛"]
RANGES = [(0x21, 0x7E), (0xA1, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA), (0x621, 0x64A), (0x905, 0x939), (0xE01, 0xE2E),
          (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x1F300, 0x1F64F)]


def prompts(count):
    chance = random.Random(1)
    words = " ".join(TEXTS).split()
    result = list(FIXED)
    while len(result) < count:
        pieces = []
        for _ in range(chance.choice([1, 2, 3, 5, 8, 13, 21, 40, 80])):
            kind = chance.random()
            if kind < 0.6:
                word = chance.choice(words)
                pieces.append(chance.choice([word, word.upper(), word.capitalize()]))
            elif kind < 0.75:
                pieces.append("".join(chance.choice(SIGNS) for _ in range(chance.randint(1, 4))))
            elif kind < 0.82:
                pieces.append(chance.choice(EMOJI))
            elif kind < 0.88:
                pieces.append(str(chance.randint(0, 99999)))
            else:
                low, high = chance.choice(RANGES)
                letters = [chr(chance.randint(low, high)) for _ in range(chance.randint(1, 6))]
                pieces.append("".join(letter for letter in letters if unicodedata.category(letter) != "Cn"))
        result.append(chance.choice([" ", " ", " ", ", ", "", "  "]).join(pieces))
    return result


def main():
    root = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    for name, pad in [("end", "<|endoftext|>"), ("bang", "!")]:
        write_vocabulary(root / name, pad)
        tokenizer = CLIPTokenizerFast.from_pretrained(root / name)
        texts = prompts(count)
        rows = tokenizer(texts, padding="max_length", max_length=77, truncation=True).input_ids
        lines = []
        for text, ids in zip(texts, rows):
            end = ids.index(tokenizer.eos_token_id, 1) + 1
            assert all(id == tokenizer.pad_token_id for id in ids[end:])
            lines.append(json.dumps({"text": text, "ids": ids[:end]}))
        (root / name / "prompts.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
        print(name, len(texts), flush=True)


main()
