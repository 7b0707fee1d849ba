"""The noise schedule: scaled linear, 1000 steps, as in Stable Diffusion.

    x_t = sqrt(a) x0 + sqrt(1 - a) noise        v = sqrt(a) noise - sqrt(1 - a) x0
"""
import functools

import torch

STEPS = 1000
# Timesteps of t_index 0..49 with 50 inference steps, as the LCM scheduler spaces them: 999, 979, ..., 19.
LCM_TIMESTEPS = torch.arange(19, 1000, 20).flip(0)

_betas = torch.linspace(.00085 ** .5, .012 ** .5, STEPS, dtype=torch.float64) ** 2
ALPHAS_CUMPROD = torch.cumprod(1 - _betas, 0).float()


@functools.cache
def _alphas_on(device):
    return ALPHAS_CUMPROD.to(device)


def signal(t):
    """sqrt(a) and sqrt(1 - a) for timesteps [B], shaped [B, 1, 1, 1]."""
    a = _alphas_on(t.device)[t].view(-1, 1, 1, 1)
    return a.sqrt(), (1 - a).sqrt()


def add_noise(x0, t, noise=None):
    s, n = signal(t)
    return s * x0 + n * (torch.randn_like(x0) if noise is None else noise)


def x0_from_v(x, v, t):
    s, n = signal(t)
    return s * x - n * v


def v_from_x0(x, x0, t):
    """The v for which `x0_from_v` gives x0; also when x is not a noised x0 (image-to-image pairs)."""
    s, n = signal(t)
    return (s * x - x0) / n
