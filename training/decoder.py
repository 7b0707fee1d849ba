"""Trains the decoder alone, with the encoder frozen, and with a patch discriminator for crisp edges.

    python -m training.decoder --work DIR --steps 1500

It starts from the autoencoder's decoder. Latents stay what they are, so the denoiser is not affected. Resumes from
DIR/decoder.pt.
"""
import argparse
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from . import common
from .autoencoder import BATCH, Crops, held_out_psnr, reconstruction_loss
from .autoencoder_net import Decoder, Encoder

ADVERSARIAL_WEIGHT = .004
ADVERSARIAL_FROM = 800  # steps until the discriminator counts fully
SQUARED = 30.   # weight of squared differences: more than the autoencoder's, since they are what dB measure
NOISE = .25     # largest deviation of the noise that a latent gets


def patch_discriminator():
    """Pictures [B, 3, H, W] to scores of overlapping patches."""
    return nn.Sequential(
        nn.PixelUnshuffle(2), nn.Conv2d(12, 48, 3, padding=1), nn.LeakyReLU(.2),
        nn.Conv2d(48, 64, 3, stride=2, padding=1), nn.GroupNorm(8, 64), nn.LeakyReLU(.2),
        nn.Conv2d(64, 96, 3, stride=2, padding=1), nn.GroupNorm(8, 96), nn.LeakyReLU(.2), nn.Conv2d(96, 1, 3, padding=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    rng = common.setup(1)
    start = common.load(options.work / "autoencoder.pt")
    encoder = Encoder().to(memory_format=torch.channels_last)
    decoder = Decoder().to(memory_format=torch.channels_last)
    encoder.load_state_dict(start["encoder"])
    decoder.load_state_dict(start["decoder"])
    encoder.requires_grad_(False)
    critic = patch_discriminator().to(memory_format=torch.channels_last)
    critic_optimiser = torch.optim.AdamW(critic.parameters(), 5e-4, betas=(0., .95), weight_decay=0)
    optimiser = common.Optimiser([decoder], adam_lr=4e-4, muon_lr=.004, edge_names=("out", "inner"))
    average, step, path = common.Average(optimiser.parameters), 0, options.work / "decoder.pt"
    parts = {"raw_decoder": decoder, "critic": critic, "critic_optimiser": critic_optimiser, "optimiser": optimiser}
    if path.exists():
        state = common.load(path)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        average.values, step = state["average"], state["step"]
        torch.manual_seed(step)
    crops, progress = Crops(options.work, rng), common.Progress(100)

    def save():
        average.swap()
        smooth = {k: v.clone() for k, v in decoder.state_dict().items()}
        mean, minimum = held_out_psnr(encoder, decoder, options.work)
        average.swap()
        print(f"step {step}  held-out scenes: {mean:.2f} dB (worst {minimum:.2f})", flush=True)
        common.save_atomic({**{name: part.state_dict() for name, part in parts.items()}, "decoder": smooth,
                            "average": average.values, "step": step}, path)

    while step < options.steps:
        target = crops.batch()
        factor = common.learning_rate(step, options.steps, decay_from=.3)
        with torch.no_grad(), common.autocast():
            latents = encoder(target).float()
        noisy = latents + torch.randn_like(latents) * torch.rand(BATCH, 1, 1, 1).sub(.4).clamp(min=0) * NOISE / .6
        with common.autocast():
            output = decoder(noisy).float()
            score = critic(output)
        weight = ADVERSARIAL_WEIGHT * min(1., step / ADVERSARIAL_FROM)
        loss = reconstruction_loss(output, target, SQUARED) - weight * score.float().mean()
        optimiser.step(loss, factor)
        with common.autocast():
            real, fake = critic(target).float(), critic(output.detach()).float()
        critic_loss = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        critic_optimiser.zero_grad()
        critic_loss.backward()
        critic_optimiser.step()
        step += 1
        average.update(step)
        progress.add(step, BATCH, loss=loss, critic=critic_loss)
        if progress.checkpoint_due():
            save()
    if progress.steps:
        save()


if __name__ == "__main__":
    main()
