"""The denoiser: a small UNet on 1/16-size latents with cross-attention to the text. It predicts v.

    UNet()(latents [B, 16, h, w], timesteps [B], text [B, 24, 128]) -> v [B, 16, h, w]
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

from .attention import Attention, FeedForward
from .autoencoder_net import CHANNELS
from .schedule import ALPHAS_CUMPROD
from .text_encoder import WIDTH

GROUPS = 8


def timestep_embedding(t, width):
    frequencies = torch.exp(-math.log(10000) * torch.arange(width // 2, device=t.device) / (width // 2))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


def group_norm(channels):
    """A group norm without its own scale and shift, which come from the embedding."""
    return nn.GroupNorm(GROUPS, channels, affine=False)


class ResidualBlock(nn.Module):
    """Norm, scale and shift (computed for all blocks at once in UNet.modulation), two convolutions."""

    def __init__(self, channels_in, channels):
        super().__init__()
        self.norm = group_norm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x, scale, shift):
        h = F.silu(self.norm(x) * scale + shift)
        return self.skip(x) + self.conv2(F.silu(self.conv1(h)))


class TransformerBlock(nn.Module):
    """Self-attention (optional), cross-attention to the text and a feed-forward layer over all positions."""

    def __init__(self, channels, self_attention=True):
        super().__init__()
        self.self_attention = Attention(channels) if self_attention else None
        self.norm1 = nn.LayerNorm(channels) if self_attention else None
        self.norm2, self.norm3 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.cross_attention = Attention(channels, WIDTH)
        self.feed_forward = FeedForward(channels)

    def forward(self, x, text):
        batch, channels, height, width = x.shape
        tokens = x.reshape(batch, channels, height * width).transpose(1, 2)
        if self.self_attention is not None:
            tokens = tokens + self.self_attention(self.norm1(tokens))
        tokens = tokens + self.cross_attention(self.norm2(tokens), text)
        tokens = tokens + self.feed_forward(self.norm3(tokens))
        return tokens.transpose(1, 2).reshape(batch, channels, height, width)


class UNet(nn.Module):
    def __init__(self, outer=128, inner=160, embedding=192):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(128, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.text = nn.Linear(WIDTH, embedding)
        self.conv_in = nn.Conv2d(CHANNELS, outer, 3, padding=1)
        self.down1 = ResidualBlock(outer, outer)
        self.down2 = ResidualBlock(outer, outer)
        self.down2_text = TransformerBlock(outer, self_attention=False)
        self.shrink = nn.Conv2d(outer, inner, 3, stride=2, padding=1)
        self.inner1 = ResidualBlock(inner, inner)
        self.inner1_text = TransformerBlock(inner)
        self.middle_text = TransformerBlock(inner)
        self.inner2 = ResidualBlock(2 * inner, inner)
        self.inner2_text = TransformerBlock(inner)
        self.grow = nn.Conv2d(inner, outer, 3, padding=1)
        self.up1 = ResidualBlock(2 * outer, outer)
        self.up1_text = TransformerBlock(outer, self_attention=False)
        self.up2 = ResidualBlock(2 * outer, outer)
        self.norm_out = group_norm(outer)
        self.conv_out = nn.Conv2d(outer, CHANNELS, 3, padding=1)
        # Scales and shifts of the five residual blocks and of the last norm, in the order of use.
        self.modulated = [outer, outer, inner, 2 * inner, 2 * outer, 2 * outer, outer]
        self.modulation = nn.Linear(embedding, 2 * sum(self.modulated))
        for p in (self.conv_out.weight, self.conv_out.bias, self.modulation.weight, self.modulation.bias):
            nn.init.zeros_(p)
        self.modulation.bias.data[:sum(self.modulated)] = 1.

    def modulations(self, t, text):
        """(scale, shift) pairs for all norms, each [B, channels, 1, 1]."""
        embedding = F.silu(self.time(timestep_embedding(t, 128)) + self.text(text[:, 0]))
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, 1)
        return list(zip(scale.split(self.modulated, 1), shift.split(self.modulated, 1)))

    def encode(self, x, modulations, text):
        """Runs the contracting half: features at both sizes (the discriminator also uses these)."""
        x1 = self.down1(self.conv_in(x), *modulations[0])
        x2 = self.down2_text(self.down2(x1, *modulations[1]), text)
        y1 = self.shrink(x2)
        y2 = self.inner1_text(self.inner1(y1, *modulations[2]), text)
        return x1, x2, y1, self.middle_text(y2, text)

    def forward(self, x, t, text, residuals=None):
        """`residuals`: tensors that a control branch adds to the three skip tensors and to the middle (see control_net.py)."""
        modulations = self.modulations(t, text)
        x1, x2, y1, y2 = self.encode(x, modulations, text)
        if residuals is not None:
            x1, x2, y1, y2 = (f + r for f, r in zip((x1, x2, y1, y2), residuals))
        y = self.inner2_text(self.inner2(torch.cat([y2, y1], 1), *modulations[3]), text)
        x = self.grow(F.interpolate(y, scale_factor=2., mode="nearest"))[:, :, :x2.shape[2], :x2.shape[3]]
        x = self.up1_text(self.up1(torch.cat([x, x2], 1), *modulations[4]), text)
        x = self.up2(torch.cat([x, x1], 1), *modulations[5])
        scale, shift = modulations[6]
        return self.conv_out(F.silu(self.norm_out(x) * scale + shift))


class EpsilonUNet(nn.Module):
    """The UNet as exported, which returns the noise. v is converted in the graph, which stays exact at t = 999."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet
        self.register_buffer("alphas_cumprod", ALPHAS_CUMPROD.clone())

    def forward(self, sample, timestep, encoder_hidden_states):
        a = self.alphas_cumprod[timestep].view(-1, 1, 1, 1)
        v = self.unet(sample, timestep, encoder_hidden_states)
        return (1 - a).sqrt() * sample + a.sqrt() * v
