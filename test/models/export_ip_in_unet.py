"""Exports small random UNets that have an IP-Adapter in them, and records what PyTorch computes with them.

    python export_ip_in_unet.py ../fixtures/ip-in-unet

Needs torch, diffusers, onnx and safetensors. Written are the same UNet without the adapter (`plain`) and with it in three ways:
`scale`, image tokens behind those of the text and a strength for every layer, as StreamDiffusion's forks export it; `embeds`, an
embedding of the picture and the projection inside, as diffusers computes it; `tokens`, image tokens as an input of their own. Beside them
the adapter's weights as its publishers have them, and cases.json with inputs and outputs as flat lists.
"""
import json
import sys
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0, IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import ImageProjection, MultiIPAdapterImageProjection
from safetensors.torch import save_file

ROWS, TOKENS, WIDTH, COUNT, EMBEDDING = 3, 77, 32, 4, 24
SCALES = (1.0, 0.4, -0.7)


class RuntimeScale(IPAdapterAttnProcessor2_0):
    """With image tokens behind those of the text, and a strength that the wrapper sets before each run."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        end = encoder_hidden_states.shape[1] - COUNT
        text, image = encoder_hidden_states[:, :end, :], encoder_hidden_states[:, end:, :]
        rows = hidden_states.shape[0]

        def split(x):
            return x.view(rows, -1, attn.heads, x.shape[-1] // attn.heads).transpose(1, 2)

        def attend(key, value):
            out = torch.nn.functional.scaled_dot_product_attention(split(query), split(key), split(value))
            return out.transpose(1, 2).reshape(rows, -1, query.shape[-1])

        query = attn.to_q(hidden_states)
        out = attend(attn.to_k(text), attn.to_v(text))
        out = out + self.strength.to(out.dtype) * attend(self.to_k_ip[0](image), self.to_v_ip[0](image))
        return attn.to_out[1](attn.to_out[0](out))


def unet():
    torch.manual_seed(7)
    return UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, cross_attention_dim=WIDTH, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()


def with_adapter(model, kind, weights):
    """Attention to pictures in every cross-attention, with the same weights for every kind."""
    processors, layer = {}, 0
    for name in model.attn_processors:
        if name.endswith("attn1.processor"):
            processors[name] = AttnProcessor2_0()
            continue
        channels = model.get_submodule(name.removesuffix(".processor")).to_q.in_features
        processor = kind(hidden_size=channels, cross_attention_dim=WIDTH, num_tokens=(COUNT,), scale=[1.0])
        for part in "kv":
            key = f"ip_adapter.{2 * layer + 1}.to_{part}_ip.weight"
            weights.setdefault(key, torch.randn(channels, WIDTH) / WIDTH**0.5)
            getattr(processor, f"to_{part}_ip")[0].weight.data = weights[key].clone()
        processors[name] = processor
        layer += 1
    model.set_attn_processor(processors)
    return model


class Scale(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.unet = model
        self.own = [each for each in model.attn_processors.values() if isinstance(each, RuntimeScale)]

    def forward(self, sample, timestep, encoder_hidden_states, ipadapter_scale):
        for k, processor in enumerate(self.own):
            processor.strength = ipadapter_scale[k]
        return self.unet(sample, timestep, encoder_hidden_states, return_dict=False)[0]


class Tokens(torch.nn.Module):
    """Image tokens as an input of their own; the strength is part of the export."""

    def __init__(self, model):
        super().__init__()
        self.unet = model
        for each in model.attn_processors.values():
            if isinstance(each, RuntimeScale):
                each.strength = torch.tensor(1.0)

    def forward(self, sample, timestep, encoder_hidden_states, image_embeddings):
        states = torch.cat([encoder_hidden_states, image_embeddings], dim=1)
        return self.unet(sample, timestep, states, return_dict=False)[0]


class Embeds(torch.nn.Module):
    def __init__(self, model, projection):
        super().__init__()
        model.encoder_hid_proj = MultiIPAdapterImageProjection([projection])
        model.config.encoder_hid_dim_type = "ip_image_proj"
        self.unet = model

    def forward(self, sample, timestep, encoder_hidden_states, image_embeds):
        return self.unet(sample, timestep, encoder_hidden_states, added_cond_kwargs={"image_embeds": [image_embeds]}, return_dict=False)[0]


def export(module, inputs, path, fixed=()):
    path.mkdir(parents=True, exist_ok=True)
    sizes = {2: "height", 3: "width"}
    axes = {name: {0: "batch", **(sizes if name == "sample" else {})} for name in inputs if name not in fixed}
    torch.onnx.export(
        module, tuple(inputs.values()), str(path / "model.onnx"), input_names=list(inputs), output_names=["latent"],
        dynamic_axes={**axes, "latent": {0: "batch", **sizes}}, opset_version=17, dynamo=False,
    )


@torch.no_grad()
def main(out):
    weights = {}
    inputs = {"sample": torch.randn(ROWS, 4, 8, 8), "timestep": torch.tensor([10.0, 500.0, 900.0])}
    states = torch.randn(ROWS, TOKENS, WIDTH)
    embeds = torch.randn(ROWS, EMBEDDING)
    scale = Scale(with_adapter(unet(), RuntimeScale, weights))
    tokens = Tokens(with_adapter(unet(), RuntimeScale, weights))
    projection = ImageProjection(image_embed_dim=EMBEDDING, cross_attention_dim=WIDTH, num_image_text_embeds=COUNT).eval()
    for tensor in projection.parameters():
        tensor.data = tensor.data + 0.3 * torch.randn_like(tensor)
    image = projection(embeds)
    export(unet(), {**inputs, "encoder_hidden_states": states}, out / "plain")
    layers = len(scale.own)
    joined = torch.cat([states, image], dim=1)
    export(scale, {**inputs, "encoder_hidden_states": joined, "ipadapter_scale": torch.ones(layers)}, out / "scale", {"ipadapter_scale"})
    export(tokens, {**inputs, "encoder_hidden_states": states, "image_embeddings": image}, out / "tokens")
    with_embeds = Embeds(with_adapter(unet(), IPAdapterAttnProcessor2_0, weights), projection)
    export(with_embeds, {**inputs, "encoder_hidden_states": states, "image_embeds": embeds.unsqueeze(1)}, out / "embeds")

    def rows(run):
        return torch.cat([run(k) for k in range(ROWS)])

    def row(k):
        return [tensor[k : k + 1] for tensor in inputs.values()]

    shown = rows(lambda k: scale(*row(k), joined[k : k + 1], torch.full((layers,), SCALES[k])))
    same = rows(lambda k: with_embeds(*row(k), states[k : k + 1], embeds[k : k + 1].unsqueeze(1)))
    assert torch.allclose(same[0], shown[0], atol=1e-5), "at strength 1 all compute the same"
    recorded = {
        **inputs, "states": states, "embeds": embeds, "image": image, "weights": torch.tensor(SCALES), "shown": shown,
        "plain": unet()(*inputs.values(), states, return_dict=False)[0],
    }
    cases = {name: {"shape": list(t.shape), "data": [float(f"{v:.7g}") for v in t.flatten().tolist()]} for name, t in recorded.items()}
    (out / "cases.json").write_text(json.dumps(cases))
    names = {"image_embeds.": "proj.", "norm.": "norm."}
    for key, value in projection.state_dict().items():
        start = next(name for name in names if key.startswith(name))
        weights[f"image_proj.{names[start]}{key.removeprefix(start)}"] = value
    save_file({key: value.contiguous() for key, value in weights.items()}, out / "ip-adapter.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
