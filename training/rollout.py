"""Batches of the few-step phase: every situation that a step of the product can meet.

Pure noise; the student's own predictions, noised again as the second step of two and the second, third and fourth
step of four; noised scenes; noised frames with the scene that keeps their layout, and with any caption.
"""
from dataclasses import dataclass

import torch

from . import schedule
from .wishes import Wishes, draw_wishes

NOISE, CHAIN, NOISED, PAIRS, FRAMES = 12, 4, 5, 5, 5    # samples of each kind; four chains of own predictions
BATCH = NOISE + 4 * CHAIN + NOISED + PAIRS + FRAMES
# Own predictions: timestep of the step, and where in the batch before its input was predicted.
CHAINS = ((499, 0), (759, CHAIN), (499, NOISE + CHAIN), (239, NOISE + 2 * CHAIN))
JITTER = 60
DROP = .05      # share of empty captions

noise, own = slice(0, NOISE), slice(NOISE, NOISE + 4 * CHAIN)
noised = slice(own.stop, own.stop + NOISED)
pairs = slice(noised.stop, noised.stop + PAIRS)
frames = slice(pairs.stop, BATCH)


@dataclass
class Batch:
    x: torch.Tensor         # [B, 16, 16, 16] what the student gets
    t: torch.Tensor         # [B] timesteps
    wishes: Wishes          # captions and their classes
    clean: torch.Tensor     # the latents in x, before noise
    real: torch.Tensor      # scenes, for the discriminator
    real_wishes: Wishes


class Rollout:
    def __init__(self, rng, scenes, pairs):
        self.rng, self.scenes, self.pairs, self.kept = rng, scenes, pairs, None

    def batch(self):
        real, records = self.scenes.batch(self.rng, BATCH - PAIRS)
        pair, pair_records = self.pairs.batch(self.rng, PAIRS)
        frame, _ = self.pairs.batch(self.rng, FRAMES)
        real = torch.cat([real[:pairs.start], pair[:, 1], real[pairs.start:]])
        real_wishes = draw_wishes(self.rng, records[:pairs.start] + pair_records + records[pairs.start:], DROP)
        clean, wishes = torch.cat([real[:pairs.start], pair[:, 0], frame[:, 0]]), real_wishes
        if self.kept is not None:
            x0, before = self.kept
            index = torch.cat([torch.arange(start, start + CHAIN) for _, start in CHAINS])
            clean[own] = x0[index]
            wishes = Wishes.join([real_wishes[noise], before[index], real_wishes[own.stop:]])
        steps = torch.tensor([t for t, _ in CHAINS]).repeat_interleave(CHAIN)
        t = torch.cat([torch.full((NOISE,), 999), steps + torch.randint(-JITTER, JITTER + 1, steps.shape),
                       torch.randint(100, 980, (NOISED,)), torch.randint(380, 820, (PAIRS + FRAMES,))])
        x = schedule.add_noise(clean, t)
        x[noise] = torch.randn_like(x[noise])
        return Batch(x, t, wishes, clean, real, real_wishes)

    def keep(self, x0, wishes):
        """Predictions of this batch become inputs of the next."""
        self.kept = x0.detach(), wishes
