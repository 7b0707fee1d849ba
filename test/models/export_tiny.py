"""Exports tiny random pipelines with the exporters that people use, and records what the Python nets compute.

    python export_tiny.py OUTPUT_FOLDER [NAME ...]

Needs torch, onnxscript, diffusers, transformers, optimum-onnx and tokenizers. Every export lies in OUTPUT_FOLDER/NAME, with
expected.json beside its nets: inputs and outputs of the nets as flat lists with their shapes.
"""
import json
import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    EulerDiscreteScheduler,
    LCMScheduler,
    LatentConsistencyModelPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from optimum.exporters.onnx import onnx_export_from_model
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from clip_vocabulary import write_vocabulary

LATENT = 8
TOKENS = 77


def text_config(width, vocabulary, eos, layers=3, **more):
    return CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers, num_attention_heads=4,
        max_position_embeddings=TOKENS, bos_token_id=eos - 1, eos_token_id=eos, **more,
    )


def unet(width, **more):
    options = dict(
        sample_size=LATENT, block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8, cross_attention_dim=width,
        attention_head_dim=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    return UNet2DConditionModel(**{**options, **more})


def full_vae():
    return AutoencoderKL(
        block_out_channels=[16, 16, 32, 32], layers_per_block=1, norm_num_groups=4, latent_channels=4,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4, sample_size=64,
    )


def tokenizer(folder, pad):
    write_vocabulary(folder, pad)
    return CLIPTokenizer.from_pretrained(folder)


def sd15(folder):
    words = tokenizer(folder, "<|endoftext|>")
    return StableDiffusionPipeline(
        vae=full_vae(), text_encoder=CLIPTextModel(text_config(32, len(words), words.eos_token_id)), tokenizer=words,
        unet=unet(32), scheduler=LCMScheduler(), safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def sd21_turbo(folder):
    words = tokenizer(folder, "!")
    return StableDiffusionPipeline(
        vae=full_vae(), tokenizer=words,
        text_encoder=CLIPTextModel(text_config(48, len(words), words.eos_token_id, hidden_act="gelu")),
        unet=unet(48, use_linear_projection=True, attention_head_dim=[2, 4]),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, timestep_spacing="trailing"),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def lcm(folder):
    words = tokenizer(folder, "<|endoftext|>")
    return LatentConsistencyModelPipeline(
        vae=full_vae(), text_encoder=CLIPTextModel(text_config(32, len(words), words.eos_token_id)), tokenizer=words,
        unet=unet(32, time_cond_proj_dim=32), scheduler=LCMScheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def sdxl_turbo(folder):
    first, second = tokenizer(folder / "1", "<|endoftext|>"), tokenizer(folder / "2", "!")
    return StableDiffusionXLPipeline(
        vae=full_vae(), tokenizer=first, tokenizer_2=second, scheduler=LCMScheduler(),
        text_encoder=CLIPTextModel(text_config(32, len(first), first.eos_token_id)),
        text_encoder_2=CLIPTextModelWithProjection(text_config(64, len(first), first.eos_token_id, projection_dim=64, hidden_act="gelu")),
        unet=unet(96, addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=64 + 6 * 8, use_linear_projection=True),
        force_zeros_for_empty_prompt=False, add_watermarker=False,
    )


PIPELINES = {"sd15": sd15, "sd21-turbo": sd21_turbo, "lcm": lcm, "sdxl-turbo": sdxl_turbo}


def values(tensor):
    return {"shape": list(tensor.shape), "data": tensor.detach().float().flatten().tolist()}


@torch.no_grad()
def record(pipeline, prompts, guidance=None):
    """What the pipeline's own nets give for three rows at three timesteps under two prompts."""
    torch.manual_seed(7)
    dtype = pipeline.unet.dtype
    sample = torch.randn(3, 4, LATENT, LATENT)
    timesteps = torch.tensor([999, 259, 19])
    picture = torch.rand(1, 3, 8 * LATENT, 8 * LATENT) * 2 - 1
    hidden, pooled, ids = encode(pipeline, prompts)
    rows = hidden[[0, 1, 0]]
    more = {}
    if pooled is not None:
        side = 8 * LATENT
        time_ids = torch.tensor([[side, side, 0, 0, side, side]] * 3, dtype=dtype)
        more["added_cond_kwargs"] = {"text_embeds": pooled[[0, 1, 0]], "time_ids": time_ids}
    if guidance is not None:
        more["timestep_cond"] = pipeline.get_guidance_scale_embedding(torch.full([3], guidance - 1.0), embedding_dim=pipeline.unet.config.time_cond_proj_dim).to(dtype)
    out = pipeline.unet(sample.to(dtype), timesteps, encoder_hidden_states=rows, **more).sample
    scale = pipeline.vae.config.scaling_factor
    encoded = pipeline.vae.encode(picture.to(pipeline.vae.dtype))
    latent = (encoded.latent_dist.mean if hasattr(encoded, "latent_dist") else encoded.latents) * scale
    decoded = pipeline.vae.decode(latent / scale).sample
    return {
        "prompts": prompts, "ids": ids, "guidance": guidance, "timesteps": timesteps.tolist(), "sample": values(sample),
        "hidden": values(hidden), "pooled": None if pooled is None else values(pooled), "unet": values(out),
        "picture": values(picture), "latent": values(latent), "decoded": values(decoded),
    }


def encode(pipeline, prompts):
    def ids_of(words):
        return words(prompts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt").input_ids

    ids = ids_of(pipeline.tokenizer)
    if not hasattr(pipeline, "text_encoder_2"):
        return pipeline.text_encoder(ids)[0], None, ids.tolist()
    first = pipeline.text_encoder(ids, output_hidden_states=True).hidden_states[-2]
    second = pipeline.text_encoder_2(ids_of(pipeline.tokenizer_2), output_hidden_states=True)
    return torch.cat([first, second.hidden_states[-2]], dim=-1), second[0], ids.tolist()


def by_optimum(pipeline, folder):
    """The current way: optimum-cli export onnx."""
    onnx_export_from_model(pipeline, folder, task="text-to-image", do_validation=False)


def by_torch(pipeline, folder, dtype=torch.float32, static=False):
    """The older way: torch.onnx.export net by net, as the scripts of diffusers did; static and half like exports for WebNN."""
    batch = None if static else {0: "batch"}
    width = pipeline.unet.config.cross_attention_dim
    axes = lambda **named: None if static else named

    def save(net, name, inputs, input_names, output_names, dynamic):
        (folder / name).mkdir(parents=True)
        torch.onnx.export(net, inputs, folder / name / "model.onnx", input_names=input_names, output_names=output_names,
                          dynamic_axes=dynamic, opset_version=14, do_constant_folding=True, dynamo=False)

    class First(torch.nn.Module):
        def __init__(self, call):
            super().__init__()
            self.call = call

        def forward(self, *inputs):
            return self.call(*inputs)

    size = {0: "batch", 2: "height", 3: "width"}
    ids = torch.zeros(1, TOKENS, dtype=torch.int32)
    text = First(lambda ids: tuple(pipeline.text_encoder(ids)[:2]))
    text.net = pipeline.text_encoder
    save(text, "text_encoder", (ids,), ["input_ids"], ["last_hidden_state", "pooler_output"], axes(input_ids={0: "batch"}))
    net = First(lambda sample, timestep, states: pipeline.unet(sample, timestep, states, return_dict=False)[0])
    net.net = pipeline.unet
    rows = 2 if static else 1
    timestep = torch.ones(rows, dtype=dtype) if static else torch.tensor([1])
    save(net, "unet", (torch.randn(rows, 4, LATENT, LATENT, dtype=dtype), timestep, torch.randn(rows, TOKENS, width, dtype=dtype)),
         ["sample", "timestep", "encoder_hidden_states"], ["out_sample"],
         axes(sample=size, timestep={0: "steps"}, encoder_hidden_states=batch))
    encode_picture = First(lambda picture: pipeline.vae.encode(picture).latent_dist.mean if hasattr(pipeline.vae, "quant_conv") else pipeline.vae.encode(picture).latents)
    encode_picture.net = pipeline.vae
    vae_dtype = next(pipeline.vae.parameters()).dtype
    save(encode_picture, "vae_encoder", (torch.randn(1, 3, 8 * LATENT, 8 * LATENT, dtype=vae_dtype),), ["sample"], ["latent_sample"], axes(sample=size))
    decode = First(lambda latent: pipeline.vae.decode(latent).sample)
    decode.net = pipeline.vae
    save(decode, "vae_decoder", (torch.randn(1, 4, LATENT, LATENT, dtype=vae_dtype),), ["latent_sample"], ["sample"], axes(latent_sample=size))
    for name in ["text_encoder", "unet"]:
        getattr(pipeline, name).save_config(folder / name) if name == "unet" else pipeline.text_encoder.config.save_pretrained(folder / name)
    for name in ["vae_encoder", "vae_decoder"]:
        pipeline.vae.save_config(folder / name)
    pipeline.scheduler.save_config(folder / "scheduler")
    pipeline.tokenizer.save_pretrained(folder / "tokenizer")


def by_torch_export(pipeline, folder):
    """The UNet by torch's current exporter, with a single timestep for all rows."""
    by_torch(pipeline, folder)

    class Unet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unet = pipeline.unet

        def forward(self, sample, timestep, encoder_hidden_states):
            return self.unet(sample, timestep, encoder_hidden_states, return_dict=False)[0]

    batch, width = torch.export.Dim("batch"), pipeline.unet.config.cross_attention_dim
    (folder / "unet" / "model.onnx").unlink()
    torch.onnx.export(Unet(), (torch.randn(2, 4, LATENT, LATENT), torch.tensor(5.0), torch.randn(2, TOKENS, width)), folder / "unet" / "model.onnx",
                      input_names=["sample", "timestep", "encoder_hidden_states"], output_names=["out_sample"],
                      dynamo=True, verbose=False, dynamic_shapes=({0: batch}, {}, {0: batch}))


def webnn(folder):
    """Half precision throughout, batch and sizes fixed, a tiny autoencoder."""
    pipeline = sd15(folder)
    pipeline.vae = AutoencoderTiny(encoder_block_out_channels=(16,) * 4, decoder_block_out_channels=(16,) * 4, num_encoder_blocks=(1,) * 4, num_decoder_blocks=(1,) * 4)
    return pipeline


def main():
    root, *names = sys.argv[1:]
    torch.manual_seed(0)
    exports = {name: (make, by_optimum) for name, make in PIPELINES.items()}
    exports["old-style"] = (sd15, by_torch)
    exports["torch-export"] = (sd15, by_torch_export)
    exports["webnn-style"] = (webnn, lambda pipeline, folder: by_torch(pipeline, folder, torch.float16, static=True))
    for name in names or exports:
        make, export = exports[name]
        folder = Path(root) / name
        folder.mkdir(parents=True)
        pipeline = make(Path(root) / f"{name}-tokenizer")
        if name == "webnn-style":
            pipeline.to(torch.float16)
        for net in [pipeline.unet, pipeline.vae, pipeline.text_encoder, getattr(pipeline, "text_encoder_2", None)]:
            net and net.eval()
        guidance = 7.5 if name == "lcm" else None
        expected = record(pipeline, ["a photo of a cat", "night over the sea, 1970!"], guidance)
        export(pipeline, folder)
        (folder / "expected.json").write_text(json.dumps(expected))
        print(name, flush=True)


main()
