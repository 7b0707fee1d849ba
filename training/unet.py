"""The denoiser: a small UNet on 1/16-size latents with cross-attention to the text. It predicts v.

    UNet()(latents [B, 16, h, w], timesteps [B], text [B, 24, 128]) -> v [B, 16, h, w]       h and w even
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


class ResidualBlock(nn.Module):
    """Norm, scale and shift by the embedding, two convolutions."""

    def __init__(self, channels_in, channels, embedding):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels_in)
        self.modulation = nn.Linear(embedding, 2 * channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()
        for p in (self.modulation.weight, self.modulation.bias, self.conv2.weight, self.conv2.bias):
            nn.init.zeros_(p)

    def forward(self, x, embedding):
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, 1)
        h = F.silu(self.norm(x) * (1 + scale) + shift)
        return self.skip(x) + self.conv2(F.silu(self.conv1(h)))


class TransformerBlock(nn.Module):
    """Self-attention (optional), cross-attention to the text and a feed-forward layer over all positions."""

    def __init__(self, channels, self_attention=True):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.self_attention = Attention(channels) if self_attention else None
        self.norm1 = nn.LayerNorm(channels) if self_attention else None
        self.norm2, self.norm3 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.cross_attention = Attention(channels, WIDTH)
        self.feed_forward = FeedForward(channels)

    def forward(self, x, text):
        batch, channels, height, width = x.shape
        tokens = self.norm(x).permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        start = tokens
        if self.self_attention is not None:
            tokens = tokens + self.self_attention(self.norm1(tokens))
        tokens = tokens + self.cross_attention(self.norm2(tokens), text)
        tokens = tokens + self.feed_forward(self.norm3(tokens))
        return x + (tokens - start).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


class UNet(nn.Module):
    def __init__(self, outer=128, inner=160, embedding=192):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(128, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.text = nn.Linear(WIDTH, embedding)
        self.conv_in = nn.Conv2d(CHANNELS, outer, 3, padding=1)
        self.down1 = ResidualBlock(outer, outer, embedding)
        self.down2 = ResidualBlock(outer, outer, embedding)
        self.down2_text = TransformerBlock(outer, self_attention=False)
        self.shrink = nn.Conv2d(outer, inner, 3, stride=2, padding=1)
        self.inner1 = ResidualBlock(inner, inner, embedding)
        self.inner1_text = TransformerBlock(inner)
        self.middle_text = TransformerBlock(inner)
        self.inner2 = ResidualBlock(2 * inner, inner, embedding)
        self.inner2_text = TransformerBlock(inner)
        self.grow = nn.Conv2d(inner, outer, 3, padding=1)
        self.up1 = ResidualBlock(2 * outer, outer, embedding)
        self.up1_text = TransformerBlock(outer, self_attention=False)
        self.up2 = ResidualBlock(2 * outer, outer, embedding)
        self.norm_out = nn.GroupNorm(GROUPS, outer)
        self.conv_out = nn.Conv2d(outer, CHANNELS, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def encode(self, x, t, text):
        """The contracting half: embedding and features at both sizes (the discriminator uses these too)."""
        embedding = F.silu(self.time(timestep_embedding(t, 128)) + self.text(text[:, 0]))
        x0 = self.conv_in(x)
        x1 = self.down1(x0, embedding)
        x2 = self.down2_text(self.down2(x1, embedding), text)
        y0 = self.shrink(x2)
        y1 = self.inner1_text(self.inner1(y0, embedding), text)
        return embedding, x1, x2, y0, self.middle_text(y1, text)

    def forward(self, x, t, text):
        embedding, x1, x2, y0, y = self.encode(x, t, text)
        y = self.inner2_text(self.inner2(torch.cat([y, y0], 1), embedding), text)
        x = self.grow(F.interpolate(y, scale_factor=2., mode="nearest"))
        x = self.up1_text(self.up1(torch.cat([x, x2], 1), embedding), text)
        x = self.up2(torch.cat([x, x1], 1), embedding)
        return self.conv_out(F.silu(self.norm_out(x)))


class EpsilonUNet(nn.Module):
    """The UNet as it is exported: it returns the noise. v is converted in the graph, which stays exact at t = 999."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet
        self.register_buffer("alphas_cumprod", ALPHAS_CUMPROD.clone())

    def forward(self, sample, timestep, encoder_hidden_states):
        a = self.alphas_cumprod[timestep].view(-1, 1, 1, 1)
        v = self.unet(sample, timestep, encoder_hidden_states)
        return (1 - a).sqrt() * sample + a.sqrt() * v
