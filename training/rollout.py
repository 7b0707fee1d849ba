"""Batches of the few-step phase: every situation that a step of the product can meet.

They are pure noise; the student's own predictions, noised again as the second step of two and the second, third and
fourth step of four; noised scenes; noised frames with the scene that keeps their layout, and with any caption; and
predictions from frames, noised again as the second step of two.
"""
import itertools
from dataclasses import dataclass

import torch

from . import schedule
from .wishes import Wishes, draw_wishes

NOISE, NOISED, PAIRS, FRAMES, SECOND = 12, 7, 6, 6, 5     # samples of each kind
# Own predictions: samples, timestep of the step, and where in the batch before its input was predicted.
CHAINS = ((4, 499, 0), (3, 759, 4), (3, 499, NOISE + 4), (3, 239, NOISE + 7))
JITTER = 60
NOISED_TIMES = (400, 980)   # of scenes: where things take their shapes
FRAME_TIMES = (420, 840)    # where image to image starts
SECOND_SHARE = (.45, .56)   # where the second of two steps is, as a share of the first timestep
DROP = .05      # share of empty captions


class Parts:
    """The slices of a batch that hold each kind of sample; `times` as many of each."""

    def __init__(self, times=1):
        self.chains = [(times * count, t, times * start) for count, t, start in CHAINS]
        counts = [times * n for n in (NOISE, sum(count for count, _, _ in CHAINS), NOISED, PAIRS, FRAMES, SECOND)]
        ends = list(itertools.accumulate(counts))
        self.noise, self.own, self.noised, self.pairs, self.frames, self.second = (
            slice(end - count, end) for count, end in zip(counts, ends))
        self.count = ends[-1]


def size(part):
    return part.stop - part.start


@dataclass
class Batch:
    x: torch.Tensor         # [B, 16, 16, 16] the student's input
    t: torch.Tensor         # [B] timesteps
    wishes: Wishes          # captions and their classes
    frame: torch.Tensor | None  # [count, 16, 16, 16] the frames behind pairs, frames and second
    real: torch.Tensor      # scenes, for the discriminator
    real_wishes: Wishes


class Rollout:
    def __init__(self, rng, scenes, pairs, times=1):
        self.rng, self.scenes, self.pairs, self.kept, self.parts = rng, scenes, pairs, None, Parts(times)

    def batch(self):
        p = self.parts
        real, records = self.scenes.batch(self.rng, p.count - size(p.pairs))
        pair, pair_records = self.pairs.batch(self.rng, size(p.pairs))
        other, _ = self.pairs.batch(self.rng, size(p.frames) + size(p.second))
        real = torch.cat([real[:p.pairs.start], pair[:, 1], real[p.pairs.start:]])
        wishes = real_wishes = draw_wishes(self.rng, records[:p.pairs.start] + pair_records + records[p.pairs.start:], DROP)
        frame = torch.cat([pair[:, 0], other[:, 0]])
        clean = torch.cat([real[:p.pairs.start], frame])
        steps = torch.cat([torch.full((count,), t) for count, t, _ in p.chains])
        t = torch.cat([torch.full((size(p.noise),), 999), steps + torch.randint(-JITTER, JITTER + 1, steps.shape),
                       torch.randint(*NOISED_TIMES, (size(p.noised),)), torch.randint(*FRAME_TIMES, (len(frame),))])
        if self.kept is not None:
            x0, before, frame_before, t_before = self.kept
            index = torch.cat([torch.arange(start, start + count) for count, _, start in p.chains])
            again = p.pairs.start + torch.randperm(size(p.pairs) + size(p.frames))[:size(p.second)]
            clean[p.own], clean[p.second] = x0[index], x0[again]
            frame[-size(p.second):] = frame_before[again - p.pairs.start]
            t[p.second] = (t_before[again] * torch.empty(size(p.second)).uniform_(*SECOND_SHARE)).long()
            wishes = Wishes.join([real_wishes[p.noise], before[index], real_wishes[p.noised.start:p.frames.stop], before[again]])
        x = schedule.add_noise(clean, t)
        x[p.noise] = torch.randn_like(x[p.noise])
        return Batch(x, t, wishes, frame, real, real_wishes)

    def keep(self, x0, batch):
        """Keeps predictions of this batch as inputs of the next one."""
        self.kept = x0.detach(), batch.wishes, batch.frame, batch.t
