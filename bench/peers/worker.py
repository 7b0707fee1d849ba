"""The Python peers, told over stdin what to run: a line {"peer": NAME, "steps": [T_INDEX, …], "frames": COUNT}, answered by
{"seconds": …} on stdout.

    python bench/peers/worker.py MODEL_FOLDER SIZE JPEG_FOLDER

`reference` is StreamDiffusion from PyPI, `diffusers` the image-to-image pipeline with the same scheduler. Both get a JPEG
and give a JPEG, without guidance. Both share one set of nets.
"""
import io
import json
import sys
import time
from pathlib import Path

import torch
from PIL import Image
from streamdiffusion import StreamDiffusion

from nets import load

QUALITY = 85
PROMPT = "hills at night, moon"


class Reference:
    """`StreamDiffusion.__call__` without its CUDA events, which a CPU does not have."""

    def __init__(self, pipeline, size, steps):
        self.stream = stream = StreamDiffusion(pipeline, steps, torch.float32, size, size, cfg_type="none")
        stream.prepare(PROMPT, guidance_scale=1.0)
        # It counts on latents of four channels.
        shape = (pipeline.vae.config.latent_channels, stream.latent_height, stream.latent_width)
        stream.init_noise = torch.randn((len(steps), *shape), generator=stream.generator)
        stream.stock_noise = torch.zeros_like(stream.init_noise)
        if len(steps) > 1:
            stream.x_t_latent_buffer = torch.zeros((len(steps) - 1, *shape))

    def paint(self, picture):
        stream = self.stream
        pixels = stream.image_processor.preprocess(picture, stream.height, stream.width)
        result = stream.decode_image(stream.predict_x0_batch(stream.encode_image(pixels)))
        return stream.image_processor.postprocess(result)[0]


class Diffusers:
    """A strength of one half of twice as many steps makes exactly as many steps as wanted."""

    def __init__(self, pipeline, size, steps):
        self.pipeline = pipeline
        self.count = len(steps)

    def paint(self, picture):
        return self.pipeline(PROMPT, picture, strength=.5, num_inference_steps=2 * self.count, guidance_scale=1.0).images[0]


PEERS = {"reference": Reference, "diffusers": Diffusers}


@torch.inference_mode()
def run(painter, jpegs, frames):
    started = time.perf_counter()
    for k in range(frames):
        out = io.BytesIO()
        painter.paint(Image.open(io.BytesIO(jpegs[k % len(jpegs)])).convert("RGB")).save(out, "JPEG", quality=QUALITY)
    return time.perf_counter() - started


def main():
    folder, size, pictures = sys.argv[1:]
    jpegs = [path.read_bytes() for path in sorted(Path(pictures).glob("*.jpg"))]
    pipeline = load(folder, int(size))
    painters = {}
    print(json.dumps({"ready": f"torch {torch.__version__}, {torch.get_num_threads()} threads"}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        key = (order["peer"], *order["steps"])
        painter = painters.setdefault(key, None) or PEERS[order["peer"]](pipeline, int(size), order["steps"])
        painters[key] = painter
        print(json.dumps({"seconds": run(painter, jpegs, order["frames"])}), flush=True)


main()
