"""Camera-like frames: people, hands, rooms, lamps, drawings, blobs. They are inputs, never targets.

`camera_frame(rng, size)` gives a picture as uint8 [size, size, 3].
"""
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .attributes import sample_attributes
from .layout import sample_layout
from .leaves import dead_leaves, soft_noise
from .scenes import render

SKINS = [(246, 212, 186), (224, 176, 140), (190, 134, 96), (140, 92, 64), (92, 60, 44)]
KINDS = {"bust": .34, "hand": .12, "room": .16, "drawing": .1, "blobs": .1, "leaves": .08, "scene": .1}


class Sketch:
    """A PIL canvas in units of its size. Shapes drawn while `marking` also go into `mask`, white on black."""

    def __init__(self, size, background):
        self.size, self.marking = size, False
        self.image, self.mask = Image.new("RGB", (size, size), tuple(int(c) for c in background)), Image.new("L", (size, size))
        self.draw, self.mask_draw = ImageDraw.Draw(self.image), ImageDraw.Draw(self.mask)

    def _paint(self, shape, points, *arguments, fill, **options):
        getattr(self.draw, shape)(points, *arguments, fill=tuple(int(c) for c in fill), **options)
        if self.marking:
            getattr(self.mask_draw, shape)(points, *arguments, fill=255, **options)

    def _box(self, *values):
        x0, y0, x1, y1 = (v * self.size for v in values)
        return [min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)]

    def ellipse(self, x, y, rx, ry, fill):
        self._paint("ellipse", self._box(x - rx, y - ry, x + rx, y + ry), fill=fill)

    def upper_half(self, x0, y0, x1, y1, fill):
        """Draws the upper half of an ellipse in this box."""
        self._paint("pieslice", self._box(x0, y0, x1, y1), 180, 360, fill=fill)

    def rectangle(self, x0, y0, x1, y1, fill):
        self._paint("rectangle", self._box(x0, y0, x1, y1), fill=fill)

    def polygon(self, points, fill):
        self._paint("polygon", [(x * self.size, y * self.size) for x, y in points], fill=fill)

    def line(self, points, fill, width):
        self._paint("line", [(x * self.size, y * self.size) for x, y in points], fill=fill,
                    width=max(1, int(width * self.size)), joint="curve")


def random_colour(rng, low=0, high=256, saturation=1.):
    c = rng.uniform(low, high, 3)
    return np.clip(c.mean() + (c - c.mean()) * saturation, 0, 255)


def room(rng, size):
    """A wall with furniture, perhaps a window, a lamp, a table."""
    wall = random_colour(rng, 20, 245, .35)
    s = Sketch(size, wall)
    for _ in range(rng.integers(0, 5)):
        x, y, w, h = rng.uniform(0, 1), rng.uniform(0, .9), rng.uniform(.08, .4), rng.uniform(.08, .5)
        s.rectangle(x - w / 2, y, x + w / 2, y + h, np.clip(wall + rng.normal(0, 45, 3), 0, 255))
    if rng.random() < .4:
        x, y, w = rng.uniform(.1, .9), rng.uniform(.05, .3), rng.uniform(.1, .25)
        s.rectangle(x - w, y, x + w, y + rng.uniform(.2, .45), random_colour(rng, 190, 256, .4))
    if rng.random() < .5:
        s.rectangle(0, rng.uniform(.6, .85), 1, 1, random_colour(rng, 10, 200, .5))
    if rng.random() < .45:
        lamp(rng, s)
    return s


def lamp(rng, s):
    x, y, r = rng.uniform(.1, .9), rng.uniform(.08, .5), rng.uniform(.03, .1)
    if rng.random() < .5:
        s.line([(x, y), (x, .9)], random_colour(rng, 0, 120, .3), .02)
    s.ellipse(x, y, r, r * rng.uniform(.7, 1), random_colour(rng, 215, 256, .4))


def objects(rng, size):
    """A table with bottles, boxes and plants."""
    s = room(rng, size)
    floor = rng.uniform(.65, .9)
    s.rectangle(0, floor, 1, 1, random_colour(rng, 20, 200, .4))
    s.marking = True
    for _ in range(rng.integers(1, 6)):
        x, w, h, fill = rng.uniform(.05, .95), rng.uniform(.03, .14), rng.uniform(.1, .5), random_colour(rng, 0, 250)
        if rng.random() < .5:
            s.rectangle(x - w, floor - h, x + w, floor, fill)
        else:
            s.ellipse(x, floor - h / 2, w, h / 2, fill)
    return s


def bust(rng, size):
    s = room(rng, size)
    s.marking = True
    for _ in range(1 if rng.random() < .8 else 2):
        skin, hair, cloth = SKINS[rng.integers(5)], random_colour(rng, 5, 140, .6), random_colour(rng, 5, 245, .9)
        light = rng.uniform(.45, 1.05)
        skin, hair, cloth = (np.asarray(c) * light for c in (skin, hair, cloth))
        x, r = rng.uniform(.25, .75), rng.uniform(.1, .2)
        y = rng.uniform(.22, .5)
        wide = r * rng.uniform(1.7, 2.6)
        s.rectangle(x - r * .4, y + r * .8, x + r * .4, y + r * 1.7, skin * .85)
        s.ellipse(x, y + r * 3.1, wide, r * 1.75, cloth)
        s.rectangle(x - wide, y + r * 3.1, x + wide, 1.1, cloth)
        if rng.random() < .4:       # long hair
            s.ellipse(x, y + r * .2, r * 1.15, r * 1.5, hair)
        s.ellipse(x, y, r * .82, r * 1.12, skin)
        s.upper_half(x - r * .95, y - r * 1.25, x + r * .95, y + r * .6, hair)
        for side in (-1, 1):
            s.ellipse(x + side * r * .33, y + r * .02, r * .1, r * .06, skin * .3)
        s.ellipse(x, y + r * .55, r * .25, r * .07, skin * (.75, .5, .5))
        if rng.random() < .25:      # a raised hand
            hand_shape(rng, s, skin, x + rng.choice([-1, 1]) * rng.uniform(.25, .4), rng.uniform(.4, .7), r * .6)
    return s


def hand_shape(rng, s, skin, x, y, r):
    spread, tilt = rng.uniform(.1, .28), rng.uniform(-.4, .4)
    s.ellipse(x, y, r * .8, r, skin)
    s.line([(x, y), (x - tilt * .2, 1.1)], skin, r * 1.05)
    for k in range(5):
        angle = tilt + (k - 2) * spread * (1.6 if k == 0 else 1)
        reach = r * (1.5 if k == 0 else 2.1) * (1 if rng.random() < .85 else .6)
        tip = (x + np.sin(angle) * reach, y - np.cos(angle) * reach)
        s.line([(x, y), tip], skin, r * .34)
        s.ellipse(*tip, r * .17, r * .17, skin)


def hand(rng, size):
    s = room(rng, size)
    s.marking = True
    skin = np.asarray(SKINS[rng.integers(5)]) * rng.uniform(.5, 1.05)
    hand_shape(rng, s, skin, rng.uniform(.3, .7), rng.uniform(.45, .7), rng.uniform(.11, .22))
    return s


def drawing(rng, size):
    """A child's drawing: simple shapes in strong colours, or lines on paper."""
    paper = random_colour(rng, 200, 256, .3) if rng.random() < .6 else random_colour(rng)
    s = Sketch(size, paper)
    if rng.random() < .6:
        s.rectangle(0, rng.uniform(.5, .8), 1, 1, random_colour(rng))
    s.marking = True
    for _ in range(rng.integers(2, 7)):
        x, y, r, fill = *rng.uniform(.05, .95, 2), rng.uniform(.05, .25), random_colour(rng)
        kind = rng.integers(4)
        if kind == 0:
            s.ellipse(x, y, r, r, fill)
        elif kind == 1:
            s.rectangle(x - r, y - r, x + r, y + r * .8, fill)
        elif kind == 2:
            s.polygon([(x - r * 1.2, y + r), (x + r * 1.2, y + r), (x, y - r)], fill)
        else:
            s.line([tuple(p) for p in rng.uniform(0, 1, (4, 2))], fill, .02)
    return s


def blobs(rng, size):
    """Soft spots of colour, as of a lens far out of focus."""
    picture = np.zeros((size, size, 3), np.float32) + random_colour(rng, 20, 230, .6)
    for channel_weight in rng.normal(0, 1, (3, 3)):
        picture += rng.uniform(15, 60) * channel_weight * soft_noise(rng, size, rng.integers(3, 7))[..., None]
    return picture


def as_camera(rng, picture):
    """Light falling from one side, lens blur, sensor noise, contrast: float [H, W, 3] in 0..255 to uint8."""
    size = picture.shape[0]
    y, x = np.mgrid[0:size, 0:size] / size - .5
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, .5)
    picture = picture * (1 + strength * (np.cos(angle) * x + np.sin(angle) * y))[..., None]
    picture = picture * (1 + rng.uniform(0, .15) * soft_noise(rng, size, 5)[..., None])
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    radius = rng.choice([0, .7, 1.5, 3, 7], p=[.2, .3, .25, .15, .1])
    image = image.filter(ImageFilter.GaussianBlur(float(radius)))
    picture = np.asarray(image).astype(np.float32)
    picture = (picture - 128) * rng.uniform(.6, 1.15) + 128 + rng.uniform(-35, 25)
    picture += rng.normal(0, rng.uniform(0, 7), picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def camera_frame(rng, size=256):
    kind = list(KINDS)[rng.choice(len(KINDS), p=list(KINDS.values()))]
    if kind == "leaves":
        return dead_leaves(rng, size)
    if kind == "scene":     # the model's own pictures must work as input too
        attributes = sample_attributes(rng)
        return render(attributes, sample_layout(rng, attributes), size, size)
    if kind == "blobs":
        return as_camera(rng, blobs(rng, size))
    maker = {"bust": bust, "hand": hand, "drawing": drawing, "room": objects if rng.random() < .6 else room}[kind]
    sketch = maker(rng, 2 * size)
    return as_camera(rng, np.asarray(sketch.image.reduce(2)).astype(np.float32))
