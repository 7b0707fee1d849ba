"""The discriminator of the few-step phase: the denoiser's contracting half with a small head at each size.

It sees noised latents, the timestep and the text, so it judges structure at that noise level and whether the picture
fits its caption.
"""
import copy

from torch import nn


def head(channels):
    return nn.Sequential(nn.Conv2d(channels, 64, 3, padding=1), nn.GroupNorm(8, 64), nn.SiLU(), nn.Conv2d(64, 1, 1))


class Discriminator(nn.Module):
    def __init__(self, unet):
        super().__init__()
        self.backbone = copy.deepcopy(unet)
        for name in ("inner2", "inner2_text", "grow", "up1", "up1_text", "up2", "conv_out"):
            delattr(self.backbone, name)
        outer, inner = unet.conv_in.out_channels, unet.shrink.out_channels
        self.heads = nn.ModuleList([head(outer), head(outer), head(inner)])

    def forward(self, x, t, text):
        """One map of scores per head, flattened: a list of [B, positions]."""
        x1, x2, _, y = self.backbone.encode(x, self.backbone.modulations(t, text), text)
        return [h(features).flatten(1) for h, features in zip(self.heads, (x1, x2, y))]
