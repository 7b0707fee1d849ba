"""Exports a small random IP-Adapter plus for the reference UNet, and records what PyTorch makes of a picture.

    python export_ip_adapter_plus.py ../fixtures/ip-adapter-plus

Needs torch, diffusers, safetensors and onnx. The image encoder is CLIP's, by its names, smaller; the projection is diffusers' resampler,
its weights under the names that the published files have. Written are the adapter's folder, and expected.json with the pixels of a
picture, its tokens and those of no picture, as flat lists. The encoder is written as exporters leave it: with `image_embeds` and
`last_hidden_state` alone (image_encoder), and with all hidden states (with-hidden-states.onnx).
"""
import json
import sys
from pathlib import Path

import torch
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from safetensors.torch import load_file, save_file
from torch import nn

SIZE, PATCH, WIDTH, HEADS, LAYERS = 32, 8, 32, 2, 3
HIDDEN, QUERIES, DEPTH, TEXT_WIDTH = 32, 6, 2, 32
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x):
        split = lambda y: y.view(*y.shape[:2], HEADS, -1).transpose(1, 2)
        y = nn.functional.scaled_dot_product_attention(split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x)))
        return self.out_proj(y.transpose(1, 2).reshape(x.shape))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x):
        y = self.fc1(x)
        return self.fc2(y * torch.sigmoid(1.702 * y))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer_norm1, self.self_attn = nn.LayerNorm(WIDTH), SelfAttention()
        self.layer_norm2, self.mlp = nn.LayerNorm(WIDTH), Mlp()

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Embeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(WIDTH))
        self.patch_embedding = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.position_embedding = nn.Embedding((SIZE // PATCH) ** 2 + 1, WIDTH)

    def forward(self, pixels):
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(pixels.shape[0], 1, -1)
        return torch.cat([first, patches], dim=1) + self.position_embedding.weight


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings, self.pre_layrnorm = Embeddings(), nn.LayerNorm(WIDTH)
        self.encoder, self.post_layernorm = Encoder(), nn.LayerNorm(WIDTH)

    def forward(self, pixels):
        states = [self.pre_layrnorm(self.embeddings(pixels))]
        for layer in self.encoder.layers:
            states.append(layer(states[-1]))
        return states, self.post_layernorm(states[-1][:, 0])


class ImageEncoder(nn.Module):
    def __init__(self, shows_all):
        super().__init__()
        self.vision_model, self.visual_projection = Vision(), nn.Linear(WIDTH, 24, bias=False)
        self.shows_all = shows_all

    def forward(self, pixel_values):
        states, pooled = self.vision_model(pixel_values)
        embeds = self.visual_projection(pooled)
        return (embeds, states[-1], *states) if self.shows_all else (embeds, states[-1])


def published(name):
    """The name that a tensor of diffusers' resampler has in the files that are published."""
    for ours, theirs in ((".ln0.", ".0.norm1."), (".ln1.", ".0.norm2."), (".attn.to_out.0.", ".0.to_out."), (".attn.", ".0."),
                         (".ff.0.", ".1.0."), (".ff.1.net.0.proj.", ".1.1."), (".ff.1.net.2.", ".1.3.")):
        name = name.replace(ours, theirs)
    return name


def main(folder):
    torch.manual_seed(7)
    (folder / "image_encoder").mkdir(parents=True, exist_ok=True)
    encoder = ImageEncoder(False).eval()
    everything = ImageEncoder(True).eval()
    everything.load_state_dict(encoder.state_dict())
    names = ["image_embeds", "last_hidden_state"]
    for net, path, outputs in (
        (encoder, folder / "image_encoder/model.onnx", names),
        (everything, folder / "with-hidden-states.onnx", [*names, *(f"hidden_states.{k}" for k in range(LAYERS + 1))]),
    ):
        torch.onnx.export(
            net, torch.zeros(1, 3, SIZE, SIZE), path, input_names=["pixel_values"], output_names=outputs, opset_version=17, dynamo=False,
            dynamic_axes={name: {0: "batch"} for name in ["pixel_values", *outputs]},
        )

    resampler = IPAdapterPlusImageProjection(
        embed_dims=WIDTH, output_dims=TEXT_WIDTH, hidden_dims=HIDDEN, depth=DEPTH, dim_head=64, heads=1, num_queries=QUERIES
    ).eval()
    for parameter in resampler.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    tensors = {}
    weights = resampler.state_dict()
    for name, value in weights.items():
        if ".attn.to_v." in name:
            continue
        if ".attn.to_k." in name:
            value = torch.cat([value, weights[name.replace("to_k", "to_v")]])
            name = name.replace("to_k", "to_kv")
        tensors[f"image_proj.{published(name)}"] = value.contiguous()
    plain = load_file(Path(__file__).parent / "../fixtures/control/ip-adapter/ip-adapter.safetensors")
    tensors.update({name: value for name, value in plain.items() if name.startswith("ip_adapter.")})
    save_file(tensors, folder / "ip-adapter-plus.safetensors")

    pixels = torch.randint(0, 256, (3, SIZE, SIZE), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        tokens_of = lambda values: resampler(encoder.vision_model(values[None])[0][-2])[0]
        values = (pixels / 255 - MEAN) / DEVIATION
        positive, negative = tokens_of(values), tokens_of(torch.zeros_like(values))
    flat = lambda tensor: [round(value, 6) for value in tensor.flatten().tolist()]
    expected = {
        "picture": pixels.permute(1, 2, 0).flatten().tolist(), "size": SIZE, "count": QUERIES, "width": TEXT_WIDTH,
        "positive": flat(positive), "negative": flat(negative),
    }
    (folder / "expected.json").write_text(json.dumps(expected))


main(Path(sys.argv[1]))
