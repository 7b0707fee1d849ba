"""Visitors: camera-like frames with a figure whose outline is known. People from head to foot, busts, hands, drawings.

`figure_frame(rng, size)` gives a frame as uint8 [size, size, 3] and the figure as uint8 [size, size], 0 or 255.
"""
import numpy as np

from .frames import SKINS, as_camera, bust, drawing, hand, objects, random_colour, room

KINDS = {"body": .36, "bust": .3, "hand": .16, "objects": .08, "drawing": .1}
LEAST, MOST = .03, .6   # share of the picture that a figure takes


def limb(s, start, angles, lengths, fill, width):
    """Draws connected parts from `start`; angles in radians, 0 is down, counted towards the right. @returns the end"""
    x, y = start
    for angle, length in zip(angles, lengths):
        end = x + np.sin(angle) * length, y + np.cos(angle) * length
        s.line([(x, y), end], fill, width)
        s.ellipse(*end, width / 2, width / 2, fill)
        x, y = end
    return x, y


def person(rng, s, x, foot, h):
    """A standing, waving, walking or dancing person, `h` high."""
    skin, hair = np.asarray(SKINS[rng.integers(5)]) * rng.uniform(.45, 1.05), random_colour(rng, 5, 140, .6)
    shirt, trousers = random_colour(rng, 5, 245, .9), random_colour(rng, 5, 200, .7)
    hip, shoulder, wide = foot - .48 * h, foot - .8 * h, rng.uniform(.085, .125) * h
    lean = rng.uniform(-.06, .06) * h
    neck = x + lean
    for side in (-1, 1):
        stride = side * rng.uniform(.05, .4)
        foot_at = limb(s, (x + side * wide * .55, hip), (stride, stride * rng.uniform(-.4, 1)), (.24 * h, .24 * h), trousers, .085 * h)
        s.ellipse(foot_at[0] + side * .02 * h, foot_at[1], .05 * h, .022 * h, trousers * .4)
    s.polygon([(x - wide * .85, hip + .03 * h), (x + wide * .85, hip + .03 * h), (neck + wide * 1.15, shoulder), (neck - wide * 1.15, shoulder)], shirt)
    s.ellipse(neck, shoulder + .02 * h, wide * 1.15, .04 * h, shirt)
    for side in (-1, 1):
        raised = side * rng.choice([rng.uniform(.1, .5), rng.uniform(1.1, 1.9), rng.uniform(2.2, 3.)])
        bent = raised + side * rng.uniform(-.2, 1.2)
        at = limb(s, (neck + side * wide, shoulder + .02 * h), (raised, bent), (.17 * h, .15 * h), shirt if rng.random() < .6 else skin, .055 * h)
        s.ellipse(*at, .034 * h, .034 * h, skin)
    s.rectangle(neck - .025 * h, shoulder - .05 * h, neck + .025 * h, shoulder + .01 * h, skin * .85)
    top = shoulder - .105 * h
    s.ellipse(neck, top, .058 * h, .075 * h, skin)
    s.upper_half(neck - .066 * h, top - .086 * h, neck + .066 * h, top + .04 * h, hair)
    if rng.random() < .15:      # a hat
        s.rectangle(neck - .1 * h, top - .06 * h, neck + .1 * h, top - .045 * h, hair * .6)


def body(rng, size):
    s = room(rng, size)
    s.marking = True
    for _ in range(1 if rng.random() < .75 else 2):
        h = rng.uniform(.5, 1.1)
        person(rng, s, rng.uniform(.2, .8), max(rng.uniform(.85, 1.02), min(h + .04, 1.25)), h)
    return s


MAKERS = {"body": body, "bust": bust, "hand": hand, "objects": objects, "drawing": drawing}


def figure_frame(rng, size=256):
    while True:
        kind = list(KINDS)[rng.choice(len(KINDS), p=list(KINDS.values()))]
        sketch = MAKERS[kind](rng, 2 * size)
        figure = np.asarray(sketch.mask.reduce(2)) > 127
        if LEAST < figure.mean() < MOST:
            return as_camera(rng, np.asarray(sketch.image.reduce(2)).astype(np.float32)), np.where(figure, 255, 0).astype(np.uint8)
