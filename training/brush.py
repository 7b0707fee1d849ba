"""Drawing in units of the picture's height: (0, 0) is the top left corner, (aspect, 1) the bottom right one.

Colours are numpy arrays or tuples of three numbers, 0..255. Everything is drawn at twice the size and reduced once.
"""
import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 2


def colour(r, g, b):
    return np.array([r, g, b], np.float32)


def mix(a, b, t):
    """a at t = 0, b at t = 1."""
    return np.asarray(a, np.float32) * (1 - t) + np.asarray(b, np.float32) * t


def _rgb(c):
    return tuple(int(v) for v in np.clip(c, 0, 255))


class Brush:
    """A canvas of `width` × `height` final pixels."""

    def __init__(self, width, height):
        self.height = height * SUPERSAMPLING
        self.width = width * SUPERSAMPLING
        self.aspect = width / height
        self.image = Image.new("RGB", (self.width, self.height))
        self.draw = ImageDraw.Draw(self.image)
        self.columns = np.linspace(0, self.aspect, 129)

    def _points(self, points):
        return [(x * self.height, y * self.height) for x, y in points]

    def polygon(self, points, fill):
        self.draw.polygon(self._points(points), fill=_rgb(fill))

    def rectangle(self, x0, y0, x1, y1, fill):
        h = self.height
        self.draw.rectangle([min(x0, x1) * h, min(y0, y1) * h, max(x0, x1) * h, max(y0, y1) * h], fill=_rgb(fill))

    def ellipse(self, x, y, rx, ry, fill):
        h = self.height
        self.draw.ellipse([(x - rx) * h, (y - ry) * h, (x + rx) * h, (y + ry) * h], fill=_rgb(fill))

    def disc(self, x, y, r, fill):
        self.ellipse(x, y, r, r, fill)

    def half_disc(self, x, y, rx, ry, fill):
        """The upper half of an ellipse, flat side at y."""
        h = self.height
        self.draw.pieslice([(x - rx) * h, (y - ry) * h, (x + rx) * h, (y + ry) * h], 180, 360, fill=_rgb(fill))

    def line(self, points, fill, width):
        self.draw.line(self._points(points), fill=_rgb(fill), width=max(1, round(width * self.height)), joint="curve")

    def below(self, ys, fill, bottom=1.0):
        """Fills everything below the curve `ys`, given at `self.columns`."""
        self.polygon([(0, bottom), *zip(self.columns, ys), (self.aspect, bottom)], fill)

    def array(self):
        """The canvas as float32 [H, W, 3] in 0..255, still at twice the size."""
        return np.asarray(self.image).astype(np.float32)

    def paste(self, array):
        self.image = Image.fromarray(np.clip(array, 0, 255).astype(np.uint8))
        self.draw = ImageDraw.Draw(self.image)

    def overlay(self, mask, fill):
        """Lays `fill` over the canvas with the opacity of `mask` (a PIL image of mode L, canvas size)."""
        self.image.paste(_rgb(fill), (0, 0), mask)
        self.draw = ImageDraw.Draw(self.image)

    def new_mask(self):
        mask = Image.new("L", (self.width, self.height), 0)
        return mask, ImageDraw.Draw(mask)

    def grid(self):
        """Coordinates of every canvas pixel: x as [1, W], y as [H, 1]."""
        y, x = np.arange(self.height)[:, None], np.arange(self.width)[None]
        return (x + .5) / self.height, (y + .5) / self.height

    def finish(self):
        """The picture as uint8 [height, width, 3]."""
        return np.asarray(self.image.reduce(SUPERSAMPLING))
