"""Coarse luminance of latents, and how well one picture's follows another's.

The luminance of a 16 × 16 patch is roughly a linear function of its latent; `fit_luminance` finds that function once.
"""
import torch
from torch.nn import functional as F


def fit_luminance(latents, pictures):
    """latents [N, 16, h, w], pictures [N, 3, H, W] in -1..1 -> weights [16] (an offset does not matter)."""
    weights = torch.tensor([.299, .587, .114]).view(1, 3, 1, 1)
    target = F.avg_pool2d((pictures * weights).sum(1, keepdim=True), 16).flatten()
    inputs = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    solution = torch.linalg.lstsq(inputs, target[:, None]).solution[:, 0]
    explained = 1 - (inputs @ solution - target).var() / target.var()
    return solution[:-1].clone(), float(explained)


def coarse_luminance(latents, weights):
    """[B, 16, h, w] to [B, h * w / 4], centred."""
    luminance = F.avg_pool2d((latents * weights.view(1, -1, 1, 1)).sum(1, keepdim=True), 2).flatten(1)
    return luminance - luminance.mean(1, keepdim=True)


def layout_loss(x0, frame, weights):
    """1 - correlation of the coarse luminances; frames without contrast count less."""
    a, b = coarse_luminance(x0, weights), coarse_luminance(frame, weights)
    correlation = (a * b).mean(1) / ((a ** 2).mean(1) * (b ** 2).mean(1) + 1e-6).sqrt()
    importance = (b.std(1) / .25).clamp(max=1)
    return ((1 - correlation) * importance).mean()
