"""Writes the model folder: ONNX nets with float16 weights, their configs, tokenizer and scheduler.

    python -m training.export --work DIR --model few_step --out models/starter

Layout and names are those of diffusers' ONNX models. Every net is checked against PyTorch after it is written.
"""
import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from . import common
from .autoencoder_net import CHANNELS, FACTOR
from .control import load_control
from .diffusion import load_models
from .onnx_half import halve_weights
from .sheets import load_autoencoder
from .text_encoder import WIDTH, token_ids
from .unet import EpsilonUNet
from .words import MAX_LENGTH, VOCABULARY

OPSET = 17
TOLERANCE = 2e-2    # largest difference from PyTorch that rounding the weights to float16 may cause


VAE = {"_class_name": "AutoencoderTiny", "latent_channels": CHANNELS, "scaling_factor": 1.,
       "block_out_channels": [64] * (FACTOR.bit_length()), "sample_size": 256}
RESIDUALS = ["down_block_00", "down_block_01", "down_block_02", "mid_block"]


def write_net(module, inputs, input_names, output_names, axes, folder, config):
    """Exports one net, stores its weights as float16, writes its config and compares it with PyTorch."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    module.eval()
    torch.onnx.export(module, inputs, str(path), input_names=input_names, output_names=output_names,
                      dynamic_axes=axes, opset_version=OPSET, dynamo=False)
    onnx.save(halve_weights(onnx.load(path)), path)
    write_json(folder / "config.json", config)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        outputs = module(*inputs)
    got = session.run(None, {name: x.numpy() for name, x in zip(input_names, inputs)})
    difference = max(float(np.abs(a - b.numpy()).max() / max(float(b.std()), 1e-6))
                     for a, b in zip(got, outputs if len(output_names) > 1 else [outputs]))
    print(f"{folder.name}: {path.stat().st_size / 1e6:.2f} MB, largest difference {difference:.1e} of the deviation")
    assert difference < TOLERANCE, folder.name


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def tokenizer_json():
    """A word-level tokenizer in the format of the tokenizers library; it leaves unknown words out."""
    special = [{"id": k, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for token, k in list(VOCABULARY.items())[:4]]
    part = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": MAX_LENGTH, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": MAX_LENGTH}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "<pad>"},
        "added_tokens": special,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[a-z]+"}, "behavior": "Removed", "invert": True},
        "post_processor": {
            "type": "TemplateProcessing", "single": [part("<s>"), {"Sequence": {"id": "A", "type_id": 0}}, part("</s>")],
            "pair": [], "special_tokens": {t: {"id": t, "ids": [VOCABULARY[t]], "tokens": [t]} for t in ("<s>", "</s>")}},
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "<unk>"},
    }


def write_configs(out):
    write_json(out / "tokenizer" / "tokenizer.json", tokenizer_json())
    write_json(out / "tokenizer" / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_LENGTH, "pad_token": "<pad>",
        "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"})
    write_json(out / "scheduler" / "scheduler_config.json", {
        "_class_name": "LCMScheduler", "num_train_timesteps": 1000, "beta_start": .00085, "beta_end": .012,
        "beta_schedule": "scaled_linear", "prediction_type": "epsilon", "original_inference_steps": 50,
        "timestep_spacing": "leading", "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1})
    write_json(out / "model_index.json", {
        "_class_name": "StableDiffusionPipeline", "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderTiny"], "scheduler": ["diffusers", "LCMScheduler"]})


def write_nets(work, model, out):
    encoder, decoder = load_autoencoder(work)
    unet, text_encoder = load_models(work / f"{model}.pt")
    batch, size = {0: "batch_size"}, {0: "batch_size", 2: "height", 3: "width"}
    ids, latents = token_ids(["a castle at night"] * 2), torch.randn(2, CHANNELS, 16, 16)
    write_net(text_encoder, (ids,), ["input_ids"], ["last_hidden_state"], {"input_ids": batch, "last_hidden_state": batch},
              out / "text_encoder", {"hidden_size": WIDTH, "max_position_embeddings": MAX_LENGTH,
                                     "vocab_size": len(VOCABULARY), "pad_token_id": 0})
    with torch.no_grad():
        hidden = text_encoder(ids)
    write_net(EpsilonUNet(unet), (latents, torch.tensor([999, 499]), hidden),
              ["sample", "timestep", "encoder_hidden_states"], ["out_sample"],
              {"sample": size, "timestep": batch, "encoder_hidden_states": batch, "out_sample": size}, out / "unet",
              {"_class_name": "UNet2DConditionModel", "in_channels": CHANNELS, "out_channels": CHANNELS,
               "sample_size": 16, "cross_attention_dim": WIDTH})
    picture = torch.rand(2, 3, 256, 256) * 2 - 1
    write_net(encoder, (picture,), ["sample"], ["latent_sample"], {"sample": size, "latent_sample": size},
              out / "vae_encoder", VAE)
    write_decoder(decoder, out)
    if (work / "control.pt").exists():
        write_control(work, out)


def write_decoder(decoder, out):
    """Writes the decoder alone, which needs nothing from the other nets but their latents."""
    size = {0: "batch_size", 2: "height", 3: "width"}
    write_net(decoder, (torch.randn(2, CHANNELS, 16, 16),), ["latent_sample"], ["sample"], {"latent_sample": size, "sample": size},
              out / "vae_decoder", VAE)


def write_control(work, out):
    """Writes the control branch alone, beside the denoiser that it was trained for."""
    batch, size = {0: "batch_size"}, {0: "batch_size", 2: "height", 3: "width"}
    inputs = {"sample": torch.randn(2, CHANNELS, 16, 16), "timestep": torch.tensor([999, 499]),
              "encoder_hidden_states": torch.randn(2, MAX_LENGTH, WIDTH), "controlnet_cond": torch.rand(2, 3, 256, 256)}
    axes = {"sample": size, "timestep": batch, "encoder_hidden_states": batch, "controlnet_cond": size, **{name: size for name in RESIDUALS}}
    write_net(load_control(work), tuple(inputs.values()), list(inputs), RESIDUALS, axes, out / "controlnet" / "shape",
              {"_class_name": "ControlNetModel", "in_channels": CHANNELS, "conditioning_channels": 3, "cross_attention_dim": WIDTH})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="few_step")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--control", action="store_true", help="only the control branch, into a model folder that is there")
    parser.add_argument("--decoder", action="store_true", help="the decoder alone, in the same way")
    options = parser.parse_args()
    common.setup()
    if options.control:
        write_control(options.work, options.out)
    if options.decoder:
        write_decoder(load_autoencoder(options.work)[1], options.out)
    if not (options.control or options.decoder):
        write_nets(options.work, options.model, options.out)
        write_configs(options.out)
    total = sum(p.stat().st_size for p in options.out.rglob("*") if p.is_file())
    print(f"{total / 1e6:.2f} MB in all")


if __name__ == "__main__":
    main()
