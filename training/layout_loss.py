"""Coarse luminance of latents, and how well one picture's follows another's.

The luminance of a 16 × 16 patch is a simple function of its latent, which a tiny network learns once.
"""
import torch
from torch import nn
from torch.nn import functional as F


class Luminance(nn.Sequential):
    """Maps latents [B, 16, h, w] to the luminance of every patch, [B, 1, h, w] in -1..1."""

    def __init__(self):
        super().__init__(nn.Conv2d(16, 64, 1), nn.SiLU(), nn.Conv2d(64, 64, 1), nn.SiLU(), nn.Conv2d(64, 1, 1))


def fit_luminance(latents, pictures, steps=600):
    """Latents [N, 16, h, w], pictures [N, 3, H, W] in -1..1 -> the network and the share of variance that it explains."""
    weights = torch.tensor([.299, .587, .114]).view(1, 3, 1, 1)
    target = F.avg_pool2d((pictures * weights).sum(1, keepdim=True), 16)
    net = Luminance()
    optimiser = torch.optim.Adam(net.parameters(), 4e-3)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 4e-3 * (1 - step / steps) + 1e-5
        index = torch.randint(0, len(latents), (48,))
        loss = F.mse_loss(net(latents[index]), target[index])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return net, float(1 - F.mse_loss(net(latents), target) / target.var())


def coarse_luminance(net, latents, pool=2):
    """Maps [B, 16, h, w] to [B, h * w / pool²], centred."""
    luminance = F.avg_pool2d(net(latents), pool).flatten(1)
    return luminance - luminance.mean(1, keepdim=True)


def layout_loss(net, x0, frame, enough=1., pool=2):
    """How far the correlation of the coarse luminances is below `enough`; frames without contrast count less.

    `pool`: the side of the squares of latents that are compared; 1 holds edges as well.
    """
    a, b = coarse_luminance(net, x0, pool), coarse_luminance(net, frame, pool)
    correlation = (a * b).mean(1) / ((a ** 2).mean(1) * (b ** 2).mean(1) + 1e-6).sqrt()
    importance = (b.std(1) / .12).clamp(max=1)
    return ((enough - correlation).relu() * importance).mean()
