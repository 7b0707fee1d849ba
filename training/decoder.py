"""Trains the published light decoder, with the encoder frozen and a patch discriminator for crisp edges.

    python -m training.decoder --work DIR --steps 9000

It starts from the weights that it shares with the autoencoder's decoder. Latents do not change, so the denoiser is
not affected. Resumes from DIR/decoder.pt.
"""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from . import common
from .autoencoder import BATCH, Crops, held_out_psnr, reconstruction_loss
from .autoencoder_net import Decoder, Encoder, LightDecoder

MIX = {"scenes": .83, "leaves": .1, "pairs": .07}     # it has to be best at the model's own pictures
ADVERSARIAL_WEIGHT = .004
CRITIC_FROM = 8000      # first step with the discriminator, which is a third of the work
CRITIC_RAMP = 400       # steps until it counts fully
SQUARED = 30.   # weight of squared differences: more than the autoencoder's, since PSNR measures them
NOISE = .25     # largest deviation of the noise that a latent gets


def patch_discriminator():
    """A net from pictures [B, 3, H, W] to scores of overlapping patches."""
    return nn.Sequential(
        nn.PixelUnshuffle(2), nn.Conv2d(12, 48, 3, padding=1), nn.LeakyReLU(.2),
        nn.Conv2d(48, 64, 3, stride=2, padding=1), nn.GroupNorm(8, 64), nn.LeakyReLU(.2),
        nn.Conv2d(64, 96, 3, stride=2, padding=1), nn.GroupNorm(8, 96), nn.LeakyReLU(.2), nn.Conv2d(96, 1, 3, padding=1))


def main():
    options = common.parser(__doc__, steps=9000).parse_args()
    rng = common.setup(1, options.device)
    start = common.load(options.work / "autoencoder.pt")
    encoder = Encoder().to(memory_format=torch.channels_last)
    decoder, large = LightDecoder().to(memory_format=torch.channels_last), Decoder()
    encoder.load_state_dict(start["encoder"])
    if "decoder" in start:
        large.load_state_dict(start["decoder"])
        decoder.start_from(large)
    encoder.requires_grad_(False)
    critic = patch_discriminator().to(memory_format=torch.channels_last)
    critic_optimiser = torch.optim.AdamW(critic.parameters(), 5e-4, betas=(0., .95), weight_decay=0)
    optimiser = common.Optimiser([decoder], adam_lr=1e-3, muon_lr=.008, edge_names=("out", "inner"))
    average, step, path = common.Average(optimiser.parameters), 0, options.work / "decoder.pt"
    parts = {"raw_decoder": decoder, "critic": critic, "critic_optimiser": critic_optimiser, "optimiser": optimiser}
    if path.exists():
        state = common.load(path)
        if "optimiser" in state:
            for name, part in parts.items():
                part.load_state_dict(state[name])
            average.values, step = state["average"], state["step"]
            torch.manual_seed(step)
            rng = np.random.default_rng([1, step])
        else:       # restored or packed
            decoder.load_state_dict(state["decoder"])
            average = common.Average(optimiser.parameters)
    crops, progress = Crops(options.work, rng, BATCH * options.times, MIX), common.Progress(options, 100)

    def save():
        average.swap()
        smooth = {k: v.clone() for k, v in decoder.state_dict().items()}
        mean, minimum = held_out_psnr(encoder, decoder, options.work)
        average.swap()
        print(f"step {step}  held-out scenes: {mean:.2f} dB (worst {minimum:.2f})", flush=True)
        common.save_atomic({**{name: part.state_dict() for name, part in parts.items()}, "decoder": smooth,
                            "average": average.values, "step": step}, path)

    while progress.goes_on(step):
        target = crops.batch()
        factor = common.learning_rate(step, progress.done(step), decay_from=.3)
        with torch.no_grad(), common.autocast():
            latents = encoder(target).float()
        noisy = latents + torch.randn_like(latents) * torch.rand(crops.count, 1, 1, 1).sub(.4).clamp(min=0) * NOISE / .6
        with common.autocast():
            output = decoder(noisy).float()
        loss, critic_loss = reconstruction_loss(output, target, SQUARED), 0.
        if step >= CRITIC_FROM:
            with common.autocast():
                score = critic(output).float().mean()
            loss = loss - ADVERSARIAL_WEIGHT * min(1., (step - CRITIC_FROM) / CRITIC_RAMP) * score
        optimiser.step(loss, factor)
        if step >= CRITIC_FROM:
            with common.autocast():
                real, fake = critic(target).float(), critic(output.detach()).float()
            critic_loss = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
            critic_optimiser.zero_grad()
            critic_loss.backward()
            critic_optimiser.step()
        step += 1
        average.update(step)
        progress.add(step, crops.count, loss=loss, critic=critic_loss)
        if progress.checkpoint_due():
            save()
    if progress.steps:
        save()


if __name__ == "__main__":
    main()
