"""Encodes rendered shards once and serves latents with fresh captions.

    python -m training.latents --work DIR
"""
import argparse
import os
from pathlib import Path

import numpy as np
import torch

from . import common
from .attributes import Attributes
from .autoencoder import to_tensor
from .autoencoder_net import Encoder
from .captions import caption
from .layout_loss import fit_luminance
from .shards import HELD_OUT, LARGE, load_shard, shard_numbers
from .text_encoder import token_ids

KINDS = ("scenes", "pairs", "shapes", *LARGE)
FITTED = ("scenes", "pairs")     # kinds that the luminance is fitted on
OF_SHAPES = [0, 2]     # the frame and the scene; control pictures are not encoded


@torch.no_grad()
def encode(encoder, pictures):
    """Encodes uint8 [N, H, W, 3] to float16 [N, 16, H/16, W/16]."""
    with common.autocast():
        parts = [encoder(to_tensor(pictures[k:k + 25])).float() for k in range(0, len(pictures), 25)]
    return torch.cat(parts).half().cpu().numpy()


def encode_shards(work):
    encoder = Encoder().to(memory_format=torch.channels_last)
    encoder.load_state_dict(common.load(work / "autoencoder.pt")["encoder"])
    (work / "latents").mkdir(exist_ok=True)
    for kind in KINDS:
        for number in shard_numbers(work, kind) + shard_numbers(work, kind, held_out=True):
            target = work / "latents" / f"{kind}-{number:05d}.npy"
            if target.exists():
                continue
            pictures, _ = load_shard(work, kind, number)
            if kind == "shapes":
                pictures = pictures[:, OF_SHAPES]
            flat = pictures.reshape(-1, *pictures.shape[-3:])
            latents = encode(encoder, flat)
            with open(target.with_suffix(".tmp"), "wb") as file:
                np.save(file, latents.reshape(*pictures.shape[:-3], *latents.shape[1:]))
            os.replace(target.with_suffix(".tmp"), target)
            print(target.name, flush=True)


def save_luminance(work):
    """Fits and stores the luminance of latents on some scenes and frames (see layout_loss.py)."""
    latents, pictures = [], []
    for kind in FITTED:
        number = shard_numbers(work, kind)[0]
        stored = np.load(work / "latents" / f"{kind}-{number:05d}.npy")
        shard = load_shard(work, kind, number)[0]
        latents.append(stored.reshape(-1, *stored.shape[-3:])[:400])
        pictures.append(to_tensor(shard.reshape(-1, *shard.shape[-3:])[:400]))
    net, explained = fit_luminance(torch.from_numpy(np.concatenate(latents)).to(common.device()).float(), torch.cat(pictures))
    common.save_atomic(net.state_dict(), work / "luminance.pt")
    print(f"luminance: {100 * explained:.1f} % of the variance explained", flush=True)


def load_latents(work, kind, number):
    """Loads the stored latents of one shard (memory-mapped), in the order of its pictures."""
    return np.load(work / "latents" / f"{kind}-{number:05d}.npy", mmap_mode="r")


class Latents:
    """All latents of one kind in memory: `z` [N, 16, h, w], for pairs and shapes [N, 2, 16, 16, 16] (frame, scene)."""

    def __init__(self, work, kind, held_out=False):
        paths = sorted((work / "latents").glob(f"{kind}-*.npy"))
        paths = [p for p in paths if (int(p.stem.split("-")[1]) >= HELD_OUT) == held_out]
        self.z = torch.from_numpy(np.concatenate([np.load(p) for p in paths])).to(common.device())
        self.records = [r for p in paths for r in load_shard(work, kind, int(p.stem.split("-")[1]))[1]]
        for record in self.records:
            record.pop("correlation", None)

    def __len__(self):
        return len(self.z)

    def batch(self, rng, count):
        """Random latents and their records."""
        index = rng.integers(0, len(self), count)
        return self.z[torch.from_numpy(index).to(self.z.device)].float(), [self.records[k] for k in index]


def caption_ids(rng, records, drop=0.):
    """Token ids [B, 24] of fresh captions; a caption is empty with probability `drop`."""
    return token_ids(["" if rng.random() < drop else caption(rng, Attributes(**r)) for r in records])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    options = parser.parse_args()
    common.setup(device=options.device)
    encode_shards(options.work)
    save_luminance(options.work)


if __name__ == "__main__":
    main()
