"""The control branch: residuals that a UNet adds to its features so that the picture follows a control picture.

    ControlNet()(latents [B, 16, h, w], timesteps [B], text [B, 24, 128], picture [B, 3, 16 h, 16 w] in 0..1)
        -> residuals for the three skip tensors (128 at h × w, 128 at h × w, 160 at half size) and the middle (160 at half size)

As in a ControlNet of diffusers, the last layers start at zero, and the residuals are added to the skip tensors after
the contracting half and to the output of the middle block.
"""
from torch import nn
from torch.nn import functional as F

from .autoencoder_net import CHANNELS
from .autoencoder_net import ResidualBlock as PlainBlock
from .text_encoder import WIDTH
from .unet import ResidualBlock, timestep_embedding


def zero_convolution(channels):
    layer = nn.Conv2d(channels, channels, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class ControlNet(nn.Module):
    def __init__(self, outer=128, inner=160, embedding=64):
        super().__init__()
        self.picture = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, 32, 3, stride=2, padding=1), nn.ReLU(), PlainBlock(32),
            nn.Conv2d(32, outer, 3, stride=2, padding=1), nn.ReLU())
        self.time = nn.Sequential(nn.Linear(128, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.text = nn.Linear(WIDTH, embedding)
        self.conv_in = nn.Conv2d(CHANNELS, outer, 3, padding=1)
        self.outer1, self.outer2 = ResidualBlock(outer, outer), ResidualBlock(outer, outer)
        self.shrink = nn.Conv2d(outer, inner, 3, stride=2, padding=1)
        self.inner = ResidualBlock(inner, inner)
        self.modulated = [outer, outer, inner]
        self.modulation = nn.Linear(embedding, 2 * sum(self.modulated))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.modulation.bias.data[:sum(self.modulated)] = 1.
        self.down = nn.ModuleList([zero_convolution(c) for c in (outer, outer, inner)])
        self.middle = zero_convolution(inner)

    def forward(self, sample, timestep, encoder_hidden_states, controlnet_cond):
        embedding = F.silu(self.time(timestep_embedding(timestep, 128)) + self.text(encoder_hidden_states[:, 0]))
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, 1)
        first, second, third = zip(scale.split(self.modulated, 1), shift.split(self.modulated, 1))
        x = self.conv_in(sample) + self.picture(2 * controlnet_cond - 1)
        x1 = self.outer1(x, *first)
        x2 = self.outer2(x1, *second)
        y1 = self.shrink(x2)
        y2 = self.inner(y1, *third)
        return [layer(f) for layer, f in zip(self.down, (x1, x2, y1))] + [self.middle(y2)]

    def start_from(self, unet):
        """Copies the UNet's first layers, which already know the latents."""
        for own, theirs in ((self.conv_in, unet.conv_in), (self.outer1, unet.down1), (self.outer2, unet.down2), (self.shrink, unet.shrink),
                            (self.inner, unet.inner1)):
            own.load_state_dict(theirs.state_dict())
