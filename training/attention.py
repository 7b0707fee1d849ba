"""Attention over tokens [B, N, C], written so that it exports to a few plain ONNX nodes."""
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Queries from `x`, keys and values from `context` (or from x itself)."""

    def __init__(self, channels, context_channels=None, heads=4):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_kv = nn.Linear(context_channels or channels, 2 * channels, bias=False)
        self.to_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, context=None):
        k, v = self.to_kv(x if context is None else context).chunk(2, -1)
        q, k, v = self.split(self.to_q(x)), self.split(k), self.split(v)
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -.5).softmax(-1)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, channels, factor=2):
        super().__init__()
        self.inner = nn.Linear(channels, factor * channels)
        self.outer = nn.Linear(factor * channels, channels)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x):
        return self.outer(F.silu(self.inner(x)))
