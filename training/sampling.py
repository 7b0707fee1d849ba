"""Sampling as in the product: a few consistency steps at the LCM scheduler's timesteps.

t_index k of 50 means timestep 999 - 20 k. After each step but the last the prediction is noised again.
"""
import torch

from . import common, schedule
from .text_encoder import token_ids

T_INDEX = {1: [0], 2: [0, 25], 4: [0, 12, 25, 38]}      # text to image, by number of steps


def image_t_index(strength, steps):
    """t indices for image-to-image: the first step starts at `strength` (0..1), the others spread to the end."""
    first = round(50 * (1 - strength))
    return [first + (50 - first) * k // steps for k in range(steps)]


def predict_x0(unet, x, t, text):
    with common.autocast():
        v = unet(x.contiguous(memory_format=torch.channels_last), t, text)
    return schedule.x0_from_v(x, v.float(), t)


@torch.no_grad()
def sample(unet, text, t_index, noises, start=None, guidance=1., negative=None):
    """Latents x0 [B, 16, h, w].

    text: [B, 24, 128]; noises: one tensor [B, 16, h, w] per step; start: latents of frames for image-to-image;
    guidance above 1 needs `negative`, the hidden states of the negative prompt.
    """
    batch = noises[0].shape[0]
    x0 = start
    for k, noise in zip(t_index, noises):
        t = schedule.LCM_TIMESTEPS[k].to(noise.device).expand(batch)
        x = noise if x0 is None else schedule.add_noise(x0, t, noise)
        x0 = predict_x0(unet, x, t, text)
        if guidance != 1:
            without = predict_x0(unet, x, t, negative)
            x0 = without + guidance * (x0 - without)
    return x0


def make_noises(shape, steps, seed):
    generator = common.generator(seed)
    return [torch.randn(shape, generator=generator) for _ in range(steps)]


@torch.no_grad()
def encode_texts(text_encoder, texts):
    return text_encoder(token_ids(texts))


@torch.no_grad()
def sample_ddim(unet, text, noise, steps=25, guidance=2., negative=None):
    """Takes many small deterministic steps, to look at the undistilled model."""
    times = torch.linspace(999, 0, steps + 1).long()
    x = noise
    for now, then in zip(times[:-1], times[1:]):
        t = now.expand(len(x))
        x0 = predict_x0(unet, x, t, text)
        if guidance != 1:
            without = predict_x0(unet, x, t, negative)
            x0 = without + guidance * (x0 - without)
        s, n = schedule.signal(t)
        x = schedule.add_noise(x0, then.expand(len(x)), (x - s * x0) / n)
    return x0
