"""The text encoder: token ids [B, 24] to hidden states [B, 24, 128]. Trained together with the denoiser."""
import torch
from torch import nn

from .attention import Attention, FeedForward
from .words import MAX_LENGTH, VOCABULARY, tokenize

WIDTH = 128


class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.feed_forward = Attention(width), FeedForward(width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class TextEncoder(nn.Module):
    def __init__(self, width=WIDTH, layers=2, vocabulary=VOCABULARY):
        super().__init__()
        self.token_embedding = nn.Embedding(len(vocabulary), width)
        self.position_embedding = nn.Parameter(.1 * torch.randn(MAX_LENGTH, width))
        nn.init.normal_(self.token_embedding.weight, std=.5)
        self.layers = nn.ModuleList([Layer(width) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, input_ids):
        x = self.token_embedding(input_ids) + self.position_embedding
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


def token_ids(texts, vocabulary=VOCABULARY):
    """Turns texts into ids [B, 24]."""
    return torch.tensor([tokenize(text, vocabulary) for text in texts])
