"""Batches of the few-step phase at the sizes of walls: 24 × 24, 32 × 32 and 16 × 28 latents.

They are noise, the student's own predictions noised again as the second of two steps, and noised scenes. A net that has
only seen 16 × 16 paints a second and a third moon where there is more room.
"""
import torch
from torch.nn import functional as F

from . import schedule
from .latents import Latents
from .rollout import JITTER, NOISED_TIMES, Batch
from .wishes import Wishes, draw_wishes

ROWS = {"large384": 8, "large512": 5, "wide": 12}    # samples in a batch of a kind (see shards.LARGE)
EVERY = 5       # of so many steps one is of such a batch
SIDE = 16       # of the latents that classifier and discriminator know best
SECOND = 499    # timestep of the second of two steps


def shrunk(x):
    """Latents with both sides above 16 at 16 × 16, which decode to about the same picture; others as they are."""
    return F.interpolate(x, (SIDE, SIDE), mode="area") if min(x.shape[2:]) > SIDE else x


class LargeParts:
    """The slices of a batch of `count` samples: noise, own predictions, noised scenes."""

    def __init__(self, count):
        self.noise, self.own, self.noised = slice(0, count // 2), slice(count // 2, count - count // 4), slice(count - count // 4, count)


class LargeScenes:
    def __init__(self, rng, work, times=1):
        self.rng, self.times, self.kept = rng, times, {}
        self.scenes = {kind: Latents(work, kind) for kind in ROWS if any((work / "latents").glob(f"{kind}-*.npy"))}

    def batch(self):
        self.kind = sorted(self.scenes)[self.rng.integers(len(self.scenes))]
        count = self.times * ROWS[self.kind]
        self.parts = p = LargeParts(count)
        real, records = self.scenes[self.kind].batch(self.rng, count)
        wishes = real_wishes = draw_wishes(self.rng, records)
        t = torch.randint(*NOISED_TIMES, (count,))
        t[p.noise], clean = 999, real.clone()
        if self.kind in self.kept:
            x0, before = self.kept[self.kind]
            own = p.own.stop - p.own.start
            t[p.own], clean[p.own] = SECOND + torch.randint(-JITTER, JITTER + 1, (own,)), x0[:own]
            wishes = Wishes.join([wishes[p.noise], before[:own], wishes[p.noised]])
        x = schedule.add_noise(clean, t)
        x[p.noise] = torch.randn_like(x[p.noise])
        return Batch(x, t, wishes, None, real, real_wishes)

    def keep(self, x0, batch):
        """Keeps predictions from noise as inputs of the next batch of this kind."""
        self.kept[self.kind] = x0[self.parts.noise].detach(), batch.wishes[self.parts.noise]
