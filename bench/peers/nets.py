"""The nets of a model folder as PyTorch modules that diffusers' pipelines and the reference implementation take.

The weights are those of the ONNX files: read back from them for the embedded model, drawn anew from the same seed for the
one of export_full_size.py. Either way every net is compared with its ONNX file before anything is measured.
"""
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import onnxruntime
import torch
from diffusers import ConfigMixin, LCMScheduler, ModelMixin, StableDiffusionImg2ImgPipeline
from diffusers.configuration_utils import register_to_config

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-3    # largest difference between PyTorch and ONNX Runtime, in units of the output's deviation


class Unet(ModelMixin, ConfigMixin):
    """A bare denoiser behind the interface of diffusers' UNet2DConditionModel."""

    @register_to_config
    def __init__(self, in_channels, sample_size, time_cond_proj_dim=None):
        super().__init__()

    def forward(self, sample, timestep, encoder_hidden_states, return_dict=False, **_):
        return (self.net(sample, torch.as_tensor(timestep).expand(sample.shape[0]), encoder_hidden_states),)


class Autoencoder(ModelMixin, ConfigMixin):
    """A bare encoder and decoder behind the interface of diffusers' AutoencoderTiny."""

    @register_to_config
    def __init__(self, latent_channels, block_out_channels, scaling_factor=1.0):
        super().__init__()

    def encode(self, picture, **_):
        return SimpleNamespace(latents=self.encoder(picture))

    def decode(self, latents, **_):
        return (self.decoder(latents),)


class Pipeline(StableDiffusionImg2ImgPipeline):
    """diffusers' image-to-image pipeline, for one prompt that is encoded already."""

    def encode_prompt(self, *_, **__):
        return self.embeddings, self.embeddings


@torch.no_grad()
def load(folder, size):
    """The pipeline for a model folder. `size` of the pictures, pixels."""
    folder = Path(folder)
    is_embedded = (folder / "EVALUATION.md").exists()
    unet, vae, embeddings = embedded(folder) if is_embedded else full_size(folder)
    check(folder, unet, vae, embeddings, size)
    scheduler = LCMScheduler.from_config(json.loads((folder / "scheduler/scheduler_config.json").read_text()))
    pipeline = Pipeline(vae=vae, text_encoder=None, tokenizer=None, unet=unet, scheduler=scheduler, safety_checker=None,
                        feature_extractor=None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.embeddings = embeddings
    return pipeline


def embedded(folder):
    """The embedded model. UNet and autoencoder in the memory format that they were trained in, the faster one on a CPU."""
    sys.path.insert(0, str(ROOT))
    from training.autoencoder_net import CHANNELS, Encoder
    from training.diffusion import build
    from training.restore import restore, restored_decoder
    from training.text_encoder import TextEncoder, token_ids
    from training.unet import EpsilonUNet

    fast = lambda net: net.to(memory_format=torch.channels_last).eval()
    bare, _ = build()
    known = json.loads((folder / "tokenizer/tokenizer.json").read_text())["model"]["vocab"]
    text = restore(TextEncoder(vocabulary=known), folder / "text_encoder/model.onnx")
    unet = Unet(CHANNELS, 16)
    unet.net = fast(restore(EpsilonUNet(bare), folder / "unet/model.onnx"))
    vae = Autoencoder(CHANNELS, [64] * 5)
    vae.encoder = fast(restore(Encoder(), folder / "vae_encoder/model.onnx"))
    vae.decoder = fast(restored_decoder(folder / "vae_decoder/model.onnx"))
    return unet, vae, text(token_ids(["hills at night, moon"], known))


def full_size(folder):
    """The random model, with diffusers' own modules."""
    sys.path.insert(0, str(ROOT / "test/models"))
    from export_full_size import TOKENS, build

    vocabulary = json.loads((folder / "text_encoder/config.json").read_text())["vocab_size"]
    text, vae, unet = build(vocabulary, vocabulary - 1)
    return unet, vae, text(torch.zeros(1, TOKENS, dtype=torch.int64))[0]


def check(folder, unet, vae, embeddings, size):
    """Compares every net with its ONNX file."""
    picture = torch.rand(1, 3, size, size) * 2 - 1
    latent = vae.encode(picture).latents
    compare(folder / "vae_encoder", latent, picture)
    compare(folder / "vae_decoder", vae.decode(latent, return_dict=False)[0], latent)
    compare(folder / "unet", unet(latent, torch.tensor(259), embeddings, return_dict=False)[0], latent, 259, embeddings)


def compare(folder, expected, *inputs):
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    feeds = {}
    for info, value in zip(session.get_inputs(), inputs):
        if not torch.is_tensor(value):
            value = torch.full([1] * len(info.shape), value, dtype=torch.int64 if "int64" in info.type else torch.float32)
        feeds[info.name] = value.numpy()
    got = torch.from_numpy(session.run(None, feeds)[0])
    difference = float((got - expected).abs().max() / expected.std())
    if difference > TOLERANCE:
        raise SystemExit(f"{folder.name}: PyTorch and ONNX Runtime differ by {difference:.1e} of the deviation: not the same weights")
