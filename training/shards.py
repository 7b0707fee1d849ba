"""Rendered pictures on disk, in shards: WORK/KIND/NNNNN.npy (uint8 [N, ...]) with NNNNN.json (one record per picture).

    python -m training.shards --work DIR --kind scenes --first 0 --last 80

Each shard is made from its own number, so rendering can stop and resume anywhere. Shards from HELD_OUT on are never
used for training.
"""
import argparse
import functools
import json
import os
import time
from pathlib import Path

import numpy as np

from .attributes import sample_attributes
from .layout import sample_layout
from .leaves import dead_leaves
from .pairs import make_pair
from .scenes import render
from .shapes import make_shape

SHARD_SIZE = 500
HELD_OUT = 90000


# Scenes at other sizes than 256 × 256: width, height.
LARGE = {"large384": (384, 384), "large512": (512, 512), "wide": (448, 256)}


def scene(rng, size=(256, 256)):
    attributes = sample_attributes(rng)
    return render(attributes, sample_layout(rng, attributes), *size), attributes.to_dict()


def pair(rng):
    frame, picture, attributes, correlation = make_pair(rng)
    return np.stack([frame, picture]), {**attributes.to_dict(), "correlation": correlation}


def shape(rng):
    *pictures, attributes = make_shape(rng)
    return np.stack(pictures), attributes.to_dict()


def leaf(rng):
    return dead_leaves(rng), None


MAKERS = {"scenes": scene, "leaves": leaf, "pairs": pair, "shapes": shape,
          **{kind: functools.partial(scene, size=size) for kind, size in LARGE.items()}}


def make_shard(folder: Path, kind: str, number: int, size=SHARD_SIZE):
    """Renders shard `number` of `kind` with `size` pictures, unless it exists."""
    target = folder / f"{number:05d}.npy"
    if target.exists():
        return
    rng = np.random.default_rng([number, sorted(kind.encode())[0], len(kind)])
    pictures, records = zip(*(MAKERS[kind](rng) for _ in range(size)))
    (folder / f"{number:05d}.json").write_text(json.dumps(records))
    with open(folder / f"{number:05d}.tmp", "wb") as file:
        np.save(file, np.stack(pictures))
    os.replace(folder / f"{number:05d}.tmp", target)


def shard_numbers(work: Path, kind: str, held_out=False):
    """Numbers of the finished shards."""
    numbers = sorted(int(p.stem) for p in (work / kind).glob("*.npy"))
    return [n for n in numbers if (n >= HELD_OUT) == held_out]


def load_shard(work: Path, kind: str, number: int):
    """Loads the pictures (memory-mapped) and their records."""
    path = work / kind / f"{number:05d}.npy"
    return np.load(path, mmap_mode="r"), json.loads(path.with_suffix(".json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kind", choices=sorted(MAKERS), required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, required=True)
    parser.add_argument("--size", type=int, default=SHARD_SIZE, help="pictures in a shard")
    options = parser.parse_args()
    folder = options.work / options.kind
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(options.first, options.last):
        start = time.time()
        make_shard(folder, options.kind, number, options.size)
        print(options.kind, number, f"{time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
