"""Exports a model of the size of SD-Turbo with random weights: 866 M parameters in the UNet, 3.4 GB, and a TAESD.

    python export_full_size.py OUTPUT_FOLDER

Needs torch, diffusers, transformers and tokenizers, 9 GB of memory, and a minute or two. The timestep is a single
number for all rows, as in exports of today. The text encoder is as wide as SD-Turbo's but has two layers only.
"""
import json
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from clip_vocabulary import write_vocabulary

WIDTH, TOKENS = 1024, 77


class Call(torch.nn.Module):
    def __init__(self, net, call):
        super().__init__()
        self.net = net
        self.call = call

    def forward(self, *inputs):
        return self.call(*inputs)


def build(vocabulary, end):
    """Text encoder, autoencoder and UNet, the same weights every time. `vocabulary`: how many words, `end`: the last one's id."""
    torch.manual_seed(0)
    text = CLIPTextModel(CLIPTextConfig(vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=4096, num_hidden_layers=2,
                                        num_attention_heads=16, max_position_embeddings=TOKENS, eos_token_id=end)).eval()
    tiny = AutoencoderTiny().eval()
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=WIDTH, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True,
                                block_out_channels=(320, 640, 1280, 1280)).eval()
    return text, tiny, unet


@torch.no_grad()
def export(root, name, net, call, inputs, axes, output, config):
    folder = root / name
    folder.mkdir(parents=True)
    names = list(axes)[: len(inputs)]
    torch.onnx.export(Call(net, call), inputs, str(folder / "model.onnx"), input_names=names, output_names=[output],
                      dynamic_axes={key: value for key, value in axes.items() if value}, opset_version=17, dynamo=False)
    (folder / "config.json").write_text(json.dumps(config))
    print(name, flush=True)


def main():
    root = Path(sys.argv[1])
    torch.set_num_threads(1)
    picture, latent = {0: "batch", 2: "height", 3: "width"}, {0: "batch", 2: "latent_height", 3: "latent_width"}

    write_vocabulary(root / "tokenizer", "!")
    words = CLIPTokenizer.from_pretrained(root / "tokenizer")
    text, tiny, unet = build(len(words), words.eos_token_id)
    export(root, "text_encoder", text, lambda ids: text(ids)[0], (torch.zeros(1, TOKENS, dtype=torch.int64),),
           {"input_ids": {0: "batch"}}, "last_hidden_state", {"max_position_embeddings": TOKENS, "hidden_size": WIDTH, "vocab_size": len(words)})

    vae_config = {"_class_name": "AutoencoderTiny", "latent_channels": 4, "scaling_factor": 1.0, "decoder_block_out_channels": [64] * 4}
    export(root, "vae_encoder", tiny, lambda sample: tiny.encode(sample).latents, (torch.randn(1, 3, 64, 64),), {"sample": picture}, "latent_sample", vae_config)
    export(root, "vae_decoder", tiny, lambda sample: tiny.decode(sample).sample, (torch.randn(1, 4, 8, 8),), {"latent_sample": latent}, "sample", vae_config)

    print(f"{sum(p.numel() for p in unet.parameters()) / 1e6:.0f} M parameters", flush=True)
    export(root, "unet", unet, lambda *inputs: unet(*inputs, return_dict=False)[0],
           (torch.randn(1, 4, 16, 16), torch.tensor(1.0), torch.randn(1, TOKENS, WIDTH)),
           {"sample": latent, "timestep": None, "encoder_hidden_states": {0: "batch"}}, "out_sample", {"in_channels": 4, "cross_attention_dim": WIDTH})

    (root / "scheduler").mkdir()
    schedule = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "epsilon"}
    (root / "scheduler" / "scheduler_config.json").write_text(json.dumps(schedule))


if __name__ == "__main__":
    main()
