"""Writes checkpoints small enough to transfer: only the nets, in float16, without the optimisers' state.

    python -m training.pack --work DIR --out FOLDER

Each file is at most 16 MB. Every phase goes on from such a file as from its own checkpoint, with fresh optimisers.
"""
import argparse
from pathlib import Path

import torch

from . import common

# The parts of each checkpoint that are the result of its phase.
NETS = {"autoencoder": ("encoder", "decoder"), "diffusion": ("unet", "text_encoder"), "few_step": ("unet", "text_encoder"),
        "classifier": ("classifier",), "decoder": ("decoder",), "control": ("control",), "judge": ("judge",)}
LARGEST = 16e6


def halved(state):
    return {name: value.cpu().half() if value.is_floating_point() else value.cpu() for name, value in state.items()}


def pack(source, target, names):
    state = common.load(source)
    common.save_atomic({name: halved(state[name]) for name in names if name in state}, target)
    size = target.stat().st_size
    print(f"{target}: {size / 1e6:.1f} MB", flush=True)
    if size > LARGEST:
        raise SystemExit(f"{target} is larger than {LARGEST / 1e6:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    for name, nets in NETS.items():
        if (options.work / f"{name}.pt").exists():
            pack(options.work / f"{name}.pt", options.out / f"{name}.pt", nets)
    luminance = options.work / "luminance.pt"
    if luminance.exists():
        torch.save(halved(common.load(luminance)), options.out / luminance.name)


if __name__ == "__main__":
    main()
