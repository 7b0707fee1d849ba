"""Control pictures of a frame, as the control map node makes them: thin edges, soft edges, a silhouette, its luminance.

Each is a grey picture, uint8 [H, W], all but the luminance white on black; the control branch gets it as three equal
channels in 0..1.
"""
import numpy as np
from PIL import Image, ImageFilter

from .styles import LUMINANCE

DRAWN = ("edges", "soft", "silhouette")     # stored beside the frame
KINDS = (*DRAWN, "luminance")               # the last is made of the frame


def blurred(grey, radius):
    """Pillow's Gaussian blur of a picture in 0..255, rounded to integers, as float32 [H, W]."""
    image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius))).astype(np.float32)


def gradient(grey):
    """Sobel's derivatives: x, y [H, W]."""
    p = np.pad(grey, 1, mode="edge")
    across, down = p[:, 2:] - p[:, :-2], p[2:] - p[:-2]
    return across[:-2] + 2 * across[1:-1] + across[2:], down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]


def luminance(frame):
    """uint8 [H, W, 3] to uint8 [H, W]."""
    return (frame.astype(np.float32) @ LUMINANCE).astype(np.uint8)


def spread(mask):
    """Grows a mask by one pixel in all eight directions."""
    p = np.pad(mask, 1)
    rows = p[:-2] | p[1:-1] | p[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def canny(grey, low=100., high=200.):
    """Canny's edges of uint8 [H, W] with OpenCV's meaning of the thresholds (|dx| + |dy| of Sobel)."""
    dx, dy = gradient(grey.astype(np.float32))
    strength = np.abs(dx) + np.abs(dy)
    p = np.pad(strength, 1)
    neighbours = {0: (p[1:-1, :-2], p[1:-1, 2:]), 1: (p[:-2, :-2], p[2:, 2:]), 2: (p[:-2, 1:-1], p[2:, 1:-1]), 3: (p[:-2, 2:], p[2:, :-2])}
    sector = np.round(np.arctan2(dy, dx) / (np.pi / 4)).astype(int) % 4
    ridge = np.zeros(grey.shape, bool)
    for k, (before, after) in neighbours.items():
        ridge |= (sector == k) & (strength > before) & (strength >= after)
    weak, strong = ridge & (strength > low), ridge & (strength > high)
    while True:     # weak edges that are connected with strong ones
        grown = spread(strong) & weak
        if grown.sum() == strong.sum():
            return np.where(strong, 255, 0).astype(np.uint8)
        strong = grown


def soft_edges(grey):
    """Edges as wide, smooth lines whose brightness is their contrast."""
    dx, dy = gradient(blurred(grey, 1.5))
    strength = blurred(np.sqrt(dx ** 2 + dy ** 2) * .7, 1.2)
    return np.clip(255 * np.sqrt(strength / max(float(np.percentile(strength, 99.5)), 24.)), 0, 255).astype(np.uint8)


def seen_silhouette(rng, figure):
    """A figure as a detector would see it: an inexact outline, some blur, now and then a hole."""
    image = Image.fromarray(figure)
    size = int(rng.choice([0, 3, 5, 7]))
    if size:
        image = image.filter((ImageFilter.MinFilter if rng.random() < .4 else ImageFilter.MaxFilter)(size))
    mask = np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.choice([0, 1, 2, 4]))))).copy()
    if rng.random() < .15:
        y, x = rng.integers(0, mask.shape[0], 2)
        r = rng.integers(4, mask.shape[0] // 12)
        mask[max(0, y - r):y + r, max(0, x - r):x + r] = 0
    return mask


def control_maps(rng, frame, figure):
    """The drawn control pictures of a frame as the channels of one, uint8 [H, W, 3], in the order of DRAWN."""
    grey = luminance(frame)
    low = rng.uniform(40, 110)
    thin = canny(blurred(grey, rng.uniform(.6, 1.6)), low, low * rng.uniform(1.8, 2.6))
    return np.stack([thin, soft_edges(grey), seen_silhouette(rng, figure)], 2)


def control_picture(frame, maps, kind):
    """The control picture of one kind, uint8 [H, W], of a frame [H, W, 3] and its `control_maps`."""
    return luminance(frame) if kind == "luminance" else maps[..., DRAWN.index(kind)]


def as_input(pictures):
    """Control pictures, uint8 [N, H, W], as what the control branch takes: float32 [N, 3, H, W] in 0..1."""
    return np.repeat(pictures[:, None], 3, 1).astype(np.float32) / 255
