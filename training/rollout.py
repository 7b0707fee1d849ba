"""Batches of the few-step phase: every situation that a step of the product can meet.

Pure noise; the student's own predictions, noised again as the second step of two and the second, third and fourth
step of four; noised scenes; noised frames with the scene that keeps their layout, and with any caption; predictions
made of frames, noised again as the second step of two.
"""
from dataclasses import dataclass

import torch

from . import schedule
from .wishes import Wishes, draw_wishes

NOISE, NOISED, PAIRS, FRAMES, SECOND = 12, 3, 6, 7, 6     # samples of each kind
# Own predictions: samples, timestep of the step, and where in the batch before its input was predicted.
CHAINS = ((4, 499, 0), (3, 759, 4), (3, 499, NOISE + 4), (3, 239, NOISE + 7))
OWN = sum(count for count, _, _ in CHAINS)
JITTER = 60
FRAME_TIMES = (420, 840)    # where image to image starts
SECOND_SHARE = (.45, .56)   # of its first timestep: where the second of two steps is
DROP = .05      # share of empty captions

noise, own = slice(0, NOISE), slice(NOISE, NOISE + OWN)
noised = slice(own.stop, own.stop + NOISED)
pairs = slice(noised.stop, noised.stop + PAIRS)
frames = slice(pairs.stop, pairs.stop + FRAMES)
second = slice(frames.stop, frames.stop + SECOND)
BATCH = second.stop


@dataclass
class Batch:
    x: torch.Tensor         # [B, 16, 16, 16] what the student gets
    t: torch.Tensor         # [B] timesteps
    wishes: Wishes          # captions and their classes
    frame: torch.Tensor     # [PAIRS + FRAMES + SECOND, 16, 16, 16] the frames behind pairs, frames and second
    real: torch.Tensor      # scenes, for the discriminator
    real_wishes: Wishes


class Rollout:
    def __init__(self, rng, scenes, pairs):
        self.rng, self.scenes, self.pairs, self.kept = rng, scenes, pairs, None

    def batch(self):
        real, records = self.scenes.batch(self.rng, BATCH - PAIRS)
        pair, pair_records = self.pairs.batch(self.rng, PAIRS)
        other, _ = self.pairs.batch(self.rng, FRAMES + SECOND)
        real = torch.cat([real[:pairs.start], pair[:, 1], real[pairs.start:]])
        wishes = real_wishes = draw_wishes(self.rng, records[:pairs.start] + pair_records + records[pairs.start:], DROP)
        frame = torch.cat([pair[:, 0], other[:, 0]])
        clean = torch.cat([real[:pairs.start], frame])
        steps = torch.cat([torch.full((count,), t) for count, t, _ in CHAINS])
        t = torch.cat([torch.full((NOISE,), 999), steps + torch.randint(-JITTER, JITTER + 1, steps.shape),
                       torch.randint(100, 980, (NOISED,)), torch.randint(*FRAME_TIMES, (PAIRS + FRAMES + SECOND,))])
        if self.kept is not None:
            x0, before, frame_before, t_before = self.kept
            index = torch.cat([torch.arange(start, start + count) for count, _, start in CHAINS])
            again = pairs.start + torch.from_numpy(self.rng.permutation(PAIRS + FRAMES)[:SECOND])
            clean[own], clean[second] = x0[index], x0[again]
            frame[-SECOND:] = frame_before[again - pairs.start]
            t[second] = (t_before[again] * torch.empty(SECOND).uniform_(*SECOND_SHARE)).long()
            wishes = Wishes.join([real_wishes[noise], before[index], real_wishes[noised.start:frames.stop], before[again]])
        x = schedule.add_noise(clean, t)
        x[noise] = torch.randn_like(x[noise])
        return Batch(x, t, wishes, frame, real, real_wishes)

    def keep(self, x0, batch):
        """Predictions of this batch become inputs of the next."""
        self.kept = x0.detach(), batch.wishes, batch.frame, batch.t
