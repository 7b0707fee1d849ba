"""The autoencoder: pictures [B, 3, H, W] in -1..1, latents [B, 16, H/16, W/16] with unit variance."""
import torch
from torch import nn
from torch.nn import functional as F

FACTOR = 16
CHANNELS = 16


class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2.weight.data *= .3

    def forward(self, x):
        return F.relu(x + self.conv2(F.relu(self.conv1(x))))


class Encoder(nn.Module):
    """The encoder: space to depth, then two strided convolutions."""

    def __init__(self, widths=(64, 96, 128)):
        super().__init__()
        a, b, c = widths
        self.body = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, a, 3, padding=1), nn.ReLU(), ResidualBlock(a),
            nn.Conv2d(a, b, 3, stride=2, padding=1), nn.ReLU(), ResidualBlock(b),
            nn.Conv2d(b, c, 3, stride=2, padding=1), nn.ReLU(), ResidualBlock(c))
        self.out = nn.Conv2d(c, CHANNELS, 3, padding=1)

    def forward(self, picture):
        return self.out(self.body(picture))

    @torch.no_grad()
    def normalise(self, mean, deviation):
        """Folds the latents' statistics [16] into the last layer."""
        self.out.weight.div_(deviation.view(-1, 1, 1, 1))
        self.out.bias.sub_(mean).div_(deviation)


class Upsample(nn.Module):
    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)

    def forward(self, x):
        return F.relu(self.conv(F.interpolate(x, scale_factor=2., mode="nearest")))


class Decoder(nn.Module):
    """The decoder that is trained together with the encoder. LightDecoder replaces it in the published model."""

    def __init__(self, widths=(160, 96, 64), blocks=(2, 2, 3)):
        super().__init__()
        a, b, c = widths
        self.inner = nn.Conv2d(CHANNELS, a, 3, padding=1)
        self.body = nn.Sequential(
            nn.ReLU(), *[ResidualBlock(a) for _ in range(blocks[0])],
            Upsample(a, b), *[ResidualBlock(b) for _ in range(blocks[1])],
            Upsample(b, c), *[ResidualBlock(c) for _ in range(blocks[2])])
        self.out = nn.Conv2d(c, 48, 3, padding=1)

    def forward(self, latents):
        x = self.body(self.inner(4 * torch.tanh(latents / 4)))
        return F.pixel_shuffle(self.out(x), 4)


class Grow(nn.Module):
    """Doubles the size; it computes before the pixels are doubled, a quarter of the work of Upsample."""

    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)

    def forward(self, x):
        return F.interpolate(F.relu(self.conv(x)), scale_factor=2., mode="nearest")


class LightDecoder(nn.Module):
    """Computes the same as Decoder at less than half the cost: fewer channels and blocks at the largest sizes."""

    def __init__(self, widths=(160, 96, 48), blocks=(2, 2, 1)):
        super().__init__()
        a, b, c = widths
        self.inner = nn.Conv2d(CHANNELS, a, 3, padding=1)
        self.body = nn.Sequential(
            nn.ReLU(), *[ResidualBlock(a) for _ in range(blocks[0])],
            Grow(a, b), *[ResidualBlock(b) for _ in range(blocks[1])],
            Grow(b, c), *[ResidualBlock(c) for _ in range(blocks[2])])
        self.out = nn.Conv2d(c, 48, 3, padding=1)

    def forward(self, latents):
        x = self.body(self.inner(4 * torch.tanh(latents / 4)))
        return F.pixel_shuffle(self.out(x), 4)

    def start_from(self, decoder):
        """Copies the weights with the same place and shape from a Decoder with the same widths at the smaller sizes."""
        own, weights = self.state_dict(), decoder.state_dict()
        self.load_state_dict({name: weights[name] if name in weights and weights[name].shape == value.shape else value
                              for name, value in own.items()})
