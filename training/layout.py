"""Where things are in a scene: horizon, outline of the land, sun and thing. A layout can also come from a camera frame.

All positions are fractions: x of the picture's width, y and heights of its height, y = 0 at the top.
"""
from dataclasses import dataclass

import numpy as np

COLUMNS = 129   # samples of an outline from left to right
GRID = 16       # a picture of 256 pixels has so many of the autoencoder's squares on a side


def on_grid(value):
    """The nearest border of a square. What is small and sharp is placed and sized so: the denoiser then has some patterns of it
    to learn, instead of one for each of 256 offsets inside a square."""
    return round(value * GRID) / GRID


@dataclass
class Layout:
    horizon: float          # y
    outline: np.ndarray     # [COLUMNS] height of the land above the horizon
    sun: tuple              # x, y, radius of sun or moon
    thing_x: float
    detail_seed: int        # for everything small


def smooth_curve(rng, knots, columns=COLUMNS):
    """A smooth random curve in -1..1 through `knots` random values."""
    values = rng.uniform(-1, 1, knots)
    position = np.linspace(0, knots - 1 - 1e-6, columns)
    left = position.astype(int)
    t = position - left
    t = t * t * (3 - 2 * t)
    return values[left] * (1 - t) + values[left + 1] * t


def peaks(rng, count, low, high, steepness):
    """Triangular peaks: the upper envelope of `count` tents."""
    x = np.linspace(0, 1, COLUMNS)
    height = np.zeros(COLUMNS)
    for k in range(count):
        centre = (k + .5 + rng.uniform(-.35, .35)) / count
        top = rng.uniform(low, high)
        height = np.maximum(height, top - np.abs(x - centre) * steepness)
    return height


def blocks(rng, count, low, high):
    """Skyline: towers of different width and height."""
    edges = np.sort(rng.uniform(0, 1, count - 1))
    index = np.searchsorted(edges, np.linspace(0, 1, COLUMNS))
    return rng.uniform(low, high, count)[index]


def natural_outline(rng, land):
    """The usual outline of a land, height above the horizon."""
    if land == "mountains":
        return peaks(rng, rng.integers(2, 4), .2, .42, rng.uniform(.7, 1.3)) + .01 * smooth_curve(rng, 20)
    if land in ("hills", "river"):
        return .07 + .07 * smooth_curve(rng, rng.integers(3, 6))
    if land in ("sea", "beach"):
        return np.maximum(0, .16 * smooth_curve(rng, 5)) if rng.random() < .35 else np.zeros(COLUMNS)
    if land == "desert":
        return .04 + .05 * smooth_curve(rng, rng.integers(3, 6))
    if land == "forest":
        return .12 + .05 * smooth_curve(rng, rng.integers(3, 6))
    if land == "city":
        return blocks(rng, rng.integers(6, 10), .1, .44)
    if land == "volcano":
        return peaks(rng, 1, .32, .44, rng.uniform(.8, 1.1))
    return .03 + .02 * smooth_curve(rng, 4)     # field


def clear_sun(rng, attributes, horizon, outline, thing_x):
    """A place for sun or moon that neither the land nor the thing hides: x, y, radius."""
    low = attributes.time in ("sunset", "dawn")
    for _ in range(20):
        x, r = on_grid(rng.uniform(.12, .88)), (1.5 if rng.random() < .6 else 2) / GRID
        top = horizon - outline[int(x * (COLUMNS - 1))]         # y of the land there
        y = on_grid(horizon * (rng.uniform(.45, .85) if low else rng.uniform(.2, .5)))
        hidden = y + .5 * r > top or (attributes.thing != "none" and abs(x - thing_x) < .24)
        if not hidden:
            break
    return x, max(y, 2 / GRID), r


def sample_layout(rng, attributes) -> Layout:
    side = {"left": (.14, .32), "middle": (.42, .58), "right": (.68, .86)}.get(attributes.side, (.16, .84))
    horizon = rng.uniform(.48, .66) if attributes.land != "city" else rng.uniform(.58, .72)
    outline, thing_x = natural_outline(rng, attributes.land), rng.uniform(*side)
    sun = clear_sun(rng, attributes, horizon, outline, thing_x)
    return Layout(horizon, outline, sun, thing_x, int(rng.integers(2 ** 31)))
