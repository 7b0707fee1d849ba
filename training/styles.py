"""Styles that change a finished picture: palettes, and the textures of painters and printers."""
import numpy as np
from PIL import Image

LUMINANCE = np.array([.299, .587, .114], np.float32)
NEON = np.array([(.04, .0, .16), (.42, .0, .62), (1., .1, .6), (.1, .95, 1.)], np.float32)


def neon(picture, grey):
    position = np.clip(grey * 1.15, 0, 1) * 3
    index = np.clip(position.astype(int), 0, 2)
    t = position - index
    ramp = NEON[index[..., 0]] * (1 - t) + NEON[index[..., 0] + 1] * t
    return ramp * .75 + picture * .25


def soft_field(picture, knots, seed):
    """A smooth random field [H, W, 1] about 0, the same for the same seed."""
    small = np.random.default_rng(seed).normal(0, 1, (knots, knots)).astype(np.float32)
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC))[..., None]


def watercolour(p, grey):
    """Pale washes with pools of more or less colour, darker at their rims, on white paper that shows at the edges."""
    wash = np.round((.25 + .75 * p) * 7) / 7
    pool = soft_field(p, 12, 3) * .05 + soft_field(p, 32, 4) * .02
    y, x = np.mgrid[-1:1:p.shape[0] * 1j, -1:1:p.shape[1] * 1j]
    paper = np.clip((np.maximum(np.abs(x), np.abs(y))[..., None] + .5 * soft_field(p, 9, 5) * .15 - .84) * 9, 0, 1)
    return (.2 + .8 * wash + pool) * (1 - paper) + .97 * paper


def ink(p, grey):
    """Black brush and two grey washes on white paper."""
    wet = grey + .025 * soft_field(p, 20, 6)
    tone = np.where(wet < .22, .06, np.where(wet < .42, .45, np.where(wet < .62, .74, .97)))
    return np.repeat(tone, 3, 2) * np.array([1., .985, .955], np.float32)


def pixel(p, grey):
    """Blocks of 1/32 of the picture's height in few colours."""
    height, width = p.shape[:2]
    rows = 32
    image = Image.fromarray((np.clip(p, 0, 1) * 255).astype(np.uint8))
    blocks = np.asarray(image.resize((max(1, round(rows * width / height)), rows), Image.BOX)).astype(np.float32) / 255
    blocks = np.round(blocks * 5) / 5
    return np.asarray(Image.fromarray((blocks * 255).astype(np.uint8)).resize((width, height), Image.NEAREST)).astype(np.float32) / 255


def swirls(p, grey):
    """Thick strokes that follow whirls, like Van Gogh's: light and dark along the lines of a flow field."""
    height, width = p.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    phase = np.zeros_like(x)
    turn = np.zeros_like(x)
    for cx, cy, size, sign in ((.28, .24, .16, 1), (.74, .3, .2, -1), (.5, .62, .26, 1), (.12, .7, .18, -1), (.9, .75, .2, 1)):
        dx, dy = x - cx * width / height, y - cy
        weight = np.exp(-(dx * dx + dy * dy) / (2 * size * size))
        turn += sign * 2.2 * weight
        phase += weight * np.sqrt(dx * dx + dy * dy) * 15
    # Colours are drawn along the whirls, then striped.
    along = np.cos(turn) * .02, np.sin(turn) * .02
    sy = np.clip((y + along[1]) * height, 0, height - 1).astype(int)
    sx = np.clip((x + along[0]) * height, 0, width - 1).astype(int)
    stripe = np.sin(2 * np.pi * (phase + 9 * (y + .35 * np.sin(5 * x + turn))))[..., None]
    moved = p[sy, sx]
    mean = moved.mean(2, keepdims=True)
    return mean + (moved - mean) * 1.25 + .085 * stripe


def woodcut(p, grey):
    """Black and cream, middle tones as hatching that follows the light."""
    height, width = p.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    lines = .5 + .5 * np.sin(2 * np.pi * 26 * (y + .12 * np.sin(4 * x)))[..., None]
    tone = np.clip((grey - .16) / .5, 0, 1)
    cut = 1 / (1 + np.exp(-(tone - .08 - .84 * lines) * 9))
    return np.array([.13, .1, .1], np.float32) * (1 - cut) + np.array([.96, .9, .76], np.float32) * cut


TEXTURES = {f.__name__: f for f in (watercolour, ink, pixel, swirls, woodcut)}


def apply_style(picture: np.ndarray, style: str) -> np.ndarray:
    """uint8 [H, W, 3] to uint8 [H, W, 3]. The seasons colour leaves and ground too (scenes.World)."""
    if style == "none":
        return picture
    p = picture.astype(np.float32) / 255
    grey = (p @ LUMINANCE)[..., None]
    if style == "pastel":
        p = .44 + .56 * (grey + (p - grey) * .85)
    elif style == "neon":
        p = neon(p, grey)
    elif style == "sepia":
        p = grey * np.array([1.08, .88, .64], np.float32) + np.array([.09, .05, .0], np.float32)
    elif style == "mono":
        p = np.repeat((grey - .5) * 1.12 + .5, 3, 2)
    elif style == "autumn":
        p = p * np.array([1.07, .96, .82], np.float32)
    elif style == "winter":
        p = p * np.array([.93, 1., 1.06], np.float32) + np.array([.01, .02, .04], np.float32)
    elif style in TEXTURES:
        p = TEXTURES[style](p, grey)
    elif style == "spring":
        p = p * np.array([1.02, 1.02, .98], np.float32) + np.array([.03, .02, .02], np.float32)
    return (np.clip(p, 0, 1) * 255 + .5).astype(np.uint8)
