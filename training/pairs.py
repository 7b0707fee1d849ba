"""Pairs for image-to-image: a camera-like frame and a scene that keeps the frame's coarse layout.

The frame's silhouette becomes the land's outline, and its brightest spot the place of the sun or moon; of a few random
scenes with that layout, the one whose coarse luminance follows the frame best is taken.

    python -m training.pairs --sheet FILE.png
"""
import numpy as np
from PIL import Image

from .attributes import sample_attributes
from .contact_sheet import save_sheet, sheet_options
from .frames import camera_frame
from .layout import COLUMNS, Layout, natural_outline
from .scenes import render
from .styles import LUMINANCE

CANDIDATES = 4
MIN_CORRELATION = .3


def pooled_luminance(picture, size=8):
    """Luminance averaged over a size × size grid, from uint8 [H, W, 3]."""
    small = Image.fromarray(picture).resize((size, size), Image.BOX)
    return np.asarray(small).astype(np.float32) @ LUMINANCE / 255


def correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-6))


def split_rows(luminance, dark_land):
    """For every column the row that best divides sky from land; also the number of misplaced pixels."""
    threshold = np.median(luminance) * .5 + .25 * (np.percentile(luminance, 10) + np.percentile(luminance, 90))
    land = luminance < threshold if dark_land else luminance >= threshold
    rows = land.shape[0]
    above = np.concatenate([np.zeros((1, land.shape[1])), np.cumsum(land, 0)])
    below = np.cumsum(~land, 0)
    below = below[-1:] - np.concatenate([np.zeros((1, land.shape[1])), below])
    cost = above + below
    return cost.argmin(0) / rows, cost.min(0).sum()


def bright_spot(luminance):
    """Place of the spot that is brightest relative to its surroundings, and by how much."""
    rows = luminance.shape[0]
    wide = np.asarray(Image.fromarray(luminance).resize((8, 8), Image.BOX).resize((rows, rows), Image.BICUBIC))
    prominence = (luminance - wide)[:int(rows * .6)]
    y, x = np.unravel_index(prominence.argmax(), prominence.shape)
    return (x + .5) / rows, (y + .5) / rows, float(prominence.max())


def layout_of(rng, frame, attributes) -> Layout:
    """A layout that follows the frame (uint8 [H, W, 3])."""
    luminance = np.asarray(Image.fromarray(frame).resize((32, 32), Image.BOX)).astype(np.float32) @ LUMINANCE / 255
    options = [split_rows(luminance, dark_land) for dark_land in (True, False)]
    scores = np.array([cost for _, cost in options]) * (1., 1.25)     # land is darker than the sky, as a rule
    rows = options[int(scores.argmin())][0]
    line = np.interp(np.linspace(0, 1, COLUMNS), (np.arange(32) + .5) / 32, rows)
    line = np.convolve(np.pad(line, 3, mode="edge"), np.ones(7) / 7, mode="valid")
    horizon = float(np.clip(np.percentile(line, 75), .42, .7))
    outline = np.clip(horizon + .06 - line, 0, .55) + .3 * natural_outline(rng, attributes.land).clip(0, .12)
    x, y, prominence = bright_spot(luminance)
    if prominence < .12:
        x, y = rng.uniform(.12, .88), rng.uniform(.14, .4)
    radius = rng.uniform(.075, .11)
    y = min(max(y, radius + .02), .55)
    thing_x = x + .45 if x < .5 else x - .45
    return Layout(horizon, outline, (x, y, radius), float(np.clip(thing_x + rng.uniform(-.1, .1), .16, .84)),
                  int(rng.integers(2 ** 31)))


def make_pair(rng, size=256):
    """A frame, its scene (both uint8 [size, size, 3]) and the scene's attributes."""
    while True:
        frame = camera_frame(rng, size)
        target, best = pooled_luminance(frame), (-1., None, None)
        for _ in range(CANDIDATES):
            attributes = sample_attributes(rng, thing_probability=.5)
            attributes.side = "none"
            layout = layout_of(rng, frame, attributes)
            score = correlation(target, pooled_luminance(render(attributes, layout, 48, 48)))
            if score > best[0]:
                best = (score, attributes, layout)
        if best[0] > MIN_CORRELATION:
            return frame, render(best[1], best[2], size, size), best[1], best[0]


def main():
    file, rng = sheet_options(__doc__)
    pairs = [make_pair(rng) for _ in range(30)]
    save_sheet(file, 10, [pair[:2] for pair in pairs], 128)
    print("correlation", np.round(np.mean([score for *_, score in pairs]), 3))


if __name__ == "__main__":
    main()
