"""Trains the autoencoder on 128-pixel crops of scenes, camera-like frames and dead leaves.

    python -m training.autoencoder --work DIR --steps 12000

Latents get noise before they are decoded, so that the decoder tolerates a denoiser's remaining errors, and half-size
latents must decode to half-size pictures, which keeps the latent space smooth. Resumes from DIR/autoencoder.pt.
"""
import copy

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from . import common
from .autoencoder_net import CHANNELS, Decoder, Encoder
from .shards import load_shard, shard_numbers

BATCH, CROP = 32, 128
MIX = {"scenes": .68, "leaves": .2, "pairs": .12}


def to_tensor(pictures):
    """uint8 [B, H, W, 3] to float [B, 3, H, W] in -1..1."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).to(common.device()).permute(0, 3, 1, 2)
    return (x.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


class Crops:
    """Gives random crops from the existing shards, and looks for new shards now and then."""

    def __init__(self, work, rng, count=BATCH, mix=MIX):
        self.work, self.rng, self.count, self.mix, self.drawn = work, rng, count, mix, 0

    def refresh(self):
        self.shards = {kind: [load_shard(self.work, kind, n)[0] for n in shard_numbers(self.work, kind)] for kind in self.mix}
        self.kinds = [kind for kind in self.mix if self.shards[kind]]
        weights = np.array([self.mix[kind] for kind in self.kinds])
        self.weights = weights / weights.sum()

    def batch(self):
        if self.drawn % 500 == 0:
            self.refresh()
        self.drawn += 1
        crops = np.empty((self.count, CROP, CROP, 3), np.uint8)
        for k, kind in enumerate(self.rng.choice(self.kinds, self.count, p=self.weights)):
            shard = self.shards[kind][self.rng.integers(len(self.shards[kind]))]
            picture = shard[self.rng.integers(len(shard))]
            if picture.ndim == 4:       # a pair of camera frame and scene
                picture = picture[0]
            y, x = self.rng.integers(0, picture.shape[0] - CROP + 1), self.rng.integers(0, picture.shape[1] - CROP + 1)
            crop = picture[y:y + CROP, x:x + CROP]
            crops[k] = crop[:, ::-1] if self.rng.random() < .5 else crop
        return to_tensor(crops)


def reconstruction_loss(output, target, squared=2.5):
    """The loss from absolute and squared differences, edges and coarse colours; dark pictures count more."""
    weight = 1 / (.5 + .5 * (target.mean((1, 2, 3), keepdim=True) + 1))
    weight = weight / weight.mean()
    difference = (output - target) * weight
    edges = (difference[..., 1:] - difference[..., :-1]).abs().mean() + \
            (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    return difference.abs().mean() + squared * (difference ** 2).mean() + .5 * edges + \
        .5 * F.avg_pool2d(difference, 4).abs().mean()


@torch.no_grad()
def normalise(encoder, crops, batches=12):
    """Folds the statistics of the latents into the encoder: unit variance, as during training."""
    latents = torch.cat([encoder(crops.batch()) for _ in range(batches)])
    encoder.normalise(latents.mean((0, 2, 3)), latents.std((0, 2, 3)))


@torch.no_grad()
def held_out_psnr(encoder, decoder, work, count=100):
    number = shard_numbers(work, "scenes", held_out=True)[0]
    pictures = to_tensor(load_shard(work, "scenes", number)[0][:count])
    output = torch.cat([decoder(encoder(p)) for p in pictures.split(20)]).clamp(-1, 1)
    error = ((output - pictures) ** 2).mean((1, 2, 3)) / 4
    psnr = -10 * error.log10()
    return psnr.mean().item(), psnr.min().item()


def main():
    options = common.parser(__doc__, steps=12000).parse_args()
    rng = common.setup(device=options.device)
    encoder, decoder = Encoder(), Decoder()
    for net in (encoder, decoder):
        net.to(memory_format=torch.channels_last)
    norm = nn.BatchNorm2d(CHANNELS, affine=False, momentum=.02)
    optimiser = common.Optimiser([encoder, decoder], adam_lr=1.5e-3, muon_lr=.01, edge_names=("body.1.", "out", "inner"))
    average = common.Average(optimiser.parameters)
    step, path = 0, options.work / "autoencoder.pt"
    if path.exists():
        state = common.load(path)
        if "optimiser" not in state:
            return print("this autoencoder was restored from a published model: other latents would not fit its denoiser")
        for target, name in ((encoder, "raw_encoder"), (decoder, "raw_decoder"), (norm, "norm"), (optimiser, "optimiser")):
            target.load_state_dict(state[name])
        average.values, step = state["average"], state["step"]
        rng = np.random.default_rng(step)

    def save():
        average.swap()
        smooth_encoder, smooth_decoder = copy.deepcopy(encoder), copy.deepcopy(decoder)
        average.swap()
        normalise(smooth_encoder, crops)
        mean, minimum = held_out_psnr(smooth_encoder, smooth_decoder, options.work)
        print(f"step {step}  held-out scenes: {mean:.2f} dB (worst {minimum:.2f})", flush=True)
        common.save_atomic({"encoder": smooth_encoder.state_dict(), "decoder": smooth_decoder.state_dict(),
                            "raw_encoder": encoder.state_dict(), "raw_decoder": decoder.state_dict(), "norm": norm.state_dict(),
                            "optimiser": optimiser.state_dict(), "average": average.values, "step": step}, path)

    crops, progress = Crops(options.work, rng, BATCH * options.times), common.Progress(options, 100)
    while progress.goes_on(step):
        target = crops.batch()
        with common.autocast():
            latents = encoder(target)
        latents = norm(latents.float())
        noisy = latents + torch.randn_like(latents) * torch.rand(crops.count, 1, 1, 1).sub(.2).clamp(min=0) * .25
        with common.autocast():
            output = decoder(noisy)
        loss = reconstruction_loss(output.float(), target)
        if step % 4 == 0:
            with common.autocast():
                half = decoder(F.avg_pool2d(latents, 2))
            loss = loss + .15 * reconstruction_loss(half.float(), F.avg_pool2d(target, 2))
        optimiser.step(loss, common.learning_rate(step, progress.done(step)))
        step += 1
        average.update(step)
        progress.add(step, crops.count, loss=loss)
        if progress.checkpoint_due():
            save()
    if progress.steps:
        save()


if __name__ == "__main__":
    main()
