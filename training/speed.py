"""Measures the frames per second of a model folder, from decoded frame to picture, at 1, 2 and 4 steps.

    python -m training.speed --model models/starter

Frames run one after another, all steps as one batch as in a running stream: encoder, noise, denoiser, x0, decoder.
ONNX Runtime has two threads and does not spin. Other programs must be idle meanwhile.
"""
import argparse
import time
from pathlib import Path

import numpy as np

from .onnx_pipeline import OnnxPipeline, noises
from .sampling import image_t_index
from .schedule import ALPHAS_CUMPROD, LCM_TIMESTEPS


def one_frame(pipeline, text, frame, drawn, a, times):
    """Maps uint8 [256, 256, 3] to uint8 [256, 256, 3]; `a` [steps, 1, 1, 1] and `times` [steps] are the schedule."""
    z = pipeline.encode(frame[None])
    x = (np.sqrt(a) * z + np.sqrt(1 - a) * drawn).astype(np.float32)
    epsilon = pipeline.run("unet", x, times, text)
    x0 = (x - np.sqrt(1 - a) * epsilon) / np.sqrt(a)
    return pipeline.decode(x0[-1:].astype(np.float32))[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/starter"))
    parser.add_argument("--count", type=int, default=100, help="frames of each number of steps")
    options = parser.parse_args()
    pipeline, rng = OnnxPipeline(options.model), np.random.default_rng(0)
    frame, seconds = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), {1: [], 2: [], 4: []}
    setups = {}
    for steps in seconds:
        times = LCM_TIMESTEPS[image_t_index(.7, steps)].numpy()
        setups[steps] = (pipeline.encode_texts(["mountains at sunset"] * steps), frame,
                         noises(pipeline.latent_shape(steps), 1, 1)[0], ALPHAS_CUMPROD[times].numpy().reshape(-1, 1, 1, 1), times)
    for k in range(10 + options.count):
        for steps, setup in setups.items():     # in turn, so that all of them meet the same conditions
            start = time.perf_counter()
            one_frame(pipeline, *setup)
            seconds[steps] += [time.perf_counter() - start] if k >= 10 else []
    for steps, values in seconds.items():
        low, median, high = np.percentile(values, (10, 50, 90)) * 1000
        print(f"{steps} steps: {1000 / median:.1f} frames per second (median {median:.1f} ms, 10 to 90 %: {low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
