"""The lands: each function fills the canvas below the sky and returns the y at which things stand.

A land follows the layout's outline, so that a silhouette seen by a camera can become a ridge or a skyline.
`world` (scenes.World) carries the scene's light, haze and random generator.
"""
import numpy as np

from .brush import colour, mix
from .layout import smooth_curve
from .palette import DARK_TIMES, SNOW, WARM_WINDOW, WHITE


def pine(b, x, y, h, fill):
    for k in range(3):
        base, half = y - h * (.12 + .27 * k), h * (.27 - .06 * k)
        b.polygon([(x - half, base), (x + half, base), (x, base - h * .42)], fill)
    b.rectangle(x - h * .03, y - h * .13, x + h * .03, y, fill * .6)


def mountains(b, layout, world):
    far = layout.horizon + .04 - .5 * layout.outline[::-1]
    b.below(far, world.ground(.55, haze=.55))
    near = layout.horizon + .1 - layout.outline
    b.below(near, world.ground(.95, haze=.12))
    top, foot = near.min(), layout.horizon + .1
    line = top + (foot - top) * .38     # snow lies above this line
    zigzag = line + .018 * (np.arange(len(near)) // 3 % 2)
    mask = near < zigzag
    if mask.any():
        snow = mix(world.lit(SNOW, .35), world.haze, .08)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
        for start, stop in zip(edges[::2], edges[1::2]):
            x = b.columns[start:stop]
            b.polygon([*zip(x, near[start:stop]), *zip(x[::-1], zigzag[start:stop][::-1])], snow) if len(x) > 2 else None
    ground = .82 + .02 * smooth_curve(world.rng, 4)
    b.below(ground, world.leafy(.55))
    return .9


def hills(b, layout, world):
    b.below(layout.horizon + .02 - .6 * layout.outline[::-1], world.ground(1.05, haze=.5))
    b.below(layout.horizon + .07 - layout.outline, world.ground(1., haze=.15))
    b.below(.76 + .04 * smooth_curve(world.rng, 4), world.ground(.84))
    b.below(.87 + .03 * smooth_curve(world.rng, 3), world.ground(.68))
    return .9


def sea(b, layout, world):
    if layout.outline.max() > .02:
        b.below(layout.horizon + .01 - layout.outline, mix(world.lit(colour(104, 116, 120)), world.haze, .3))
    deep, near = mix(world.ground(1.), world.haze, .45), world.ground(.6)
    for k in range(24):     # bands of water, darker towards the viewer
        y = layout.horizon + (1 - layout.horizon) * k / 24
        b.rectangle(0, y, b.aspect, 1, mix(deep, near, k / 23))
    for _ in range(26):
        x, y = world.rng.uniform(0, b.aspect), world.rng.uniform(layout.horizon + .03, 1)
        reach = .02 + .05 * (y - layout.horizon)
        b.line([(x - reach, y), (x + reach, y)], mix(world.ground(1.), WHITE, .3), .007)
    if world.attributes.celestial != "none":
        x, _, r = layout.sun
        glint = colour(255, 226, 150) if world.attributes.celestial == "sun" else colour(220, 226, 245)
        for k in range(8):
            y = layout.horizon + .02 + (k / 8) ** 1.2 * (1 - layout.horizon) * .8
            half = r * (1 - .07 * k) * (.7 + .3 * (k % 2))
            b.line([(x * b.aspect - half, y), (x * b.aspect + half, y)], mix(glint, deep, .25), .014)
    return .9


def desert(b, layout, world):
    for k, base in enumerate((.03, .14, .28)):
        curve = layout.outline if k == 0 else .045 * smooth_curve(world.rng, 4)
        ys = layout.horizon + base - curve
        b.below(ys, world.ground(1.04 - .1 * k, haze=.3 - .15 * k))
        b.below(ys + .05 + .03 * smooth_curve(world.rng, 4), world.ground(.95 - .1 * k, haze=.25 - .12 * k))
    return .9


def forest(b, layout, world):
    for k, (base, count, size) in enumerate(((.03, 15, .19), (.14, 11, .25), (.26, 8, .3))):
        outline = layout.outline if k == 0 else .5 * layout.outline.min() + .03 * smooth_curve(world.rng, 5)
        ys = layout.horizon + base - outline * (.55 if k == 0 else 1) + (.06 if k == 0 else .02)
        fill = world.ground(1.1 - .2 * k, haze=.45 - .2 * k)
        b.below(ys, fill)
        for x in (np.arange(count * b.aspect) + world.rng.uniform(.2, .8)) / count:
            column = int(np.clip(x / b.aspect, 0, 1) * (len(ys) - 1))
            extra = layout.outline[column] * .45 if k == 0 else 0
            pine(b, x, ys[column] + .03, size * world.rng.uniform(.8, 1.15) + extra, fill * .93)
    b.below(.87 + .015 * smooth_curve(world.rng, 4), world.ground(.62))
    return .93


def city(b, layout, world):
    glow = world.attributes.time in DARK_TIMES
    for row, (scale, haze, lift) in enumerate(((1.0, .4, 0), (.62, .06, .1))):
        outline = layout.outline if row == 0 else np.roll(layout.outline, 37)[::-1]
        fill, x = world.ground(1.0 - .3 * row, haze=haze), 0.
        window = mix(WARM_WINDOW, fill, .35 * (1 - row)) if glow else mix(fill, colour(235, 245, 255), .5)
        while x < b.aspect:
            width = world.rng.uniform(.09, .15)
            column = slice(int(x / b.aspect * 128), max(int((x + width) / b.aspect * 128), int(x / b.aspect * 128) + 1))
            top = layout.horizon + lift - max(.06, float(np.median(outline[column])) * scale)
            b.rectangle(x, top, x + width - .008, 1, fill)
            for wy in np.arange(top + .03, .9, .06):
                for wx in np.arange(x + .02, x + width - .035, .045):
                    if world.rng.random() < (.55 if glow else .7):
                        b.rectangle(wx, wy, wx + .024, wy + .032, window)
            x += width
    b.rectangle(0, .9, b.aspect, 1, world.lit(colour(66, 68, 80)))
    return .94


def volcano(b, layout, world):
    ys = layout.horizon + .06 - layout.outline
    peak = int(ys.argmin())
    x, y = b.columns[peak], ys[peak]
    for k in range(4):      # smoke
        r = .05 + .025 * k
        b.disc(x + (world.drift - .5) * .2 * k, y - .01 - k * .065, r,
               mix(world.lit(colour(128, 120, 126), .3), world.sky[1], .1 * k))
    crater = y + .045
    b.below(np.maximum(ys, crater), world.ground(1., haze=.05))
    shaded = np.where(np.arange(len(ys)) > peak, np.maximum(ys, crater), 1.)
    b.below(shaded, world.ground(.78, haze=.05))
    half = max(.05, (np.abs(ys - y) < .05).sum() / len(ys) * b.aspect * .5)
    half = min(half, .09)
    lava = colour(255, 112, 36)
    b.ellipse(x, crater, half, .02, lava)
    for side in (-1, 1):
        points = [(x + side * (.03 + .03 * k) + .015 * (k % 2), crater + .055 * k) for k in range(5)]
        b.line(points, lava, .026)
    b.below(.76 + .03 * smooth_curve(world.rng, 4), world.leafy(.45))
    b.below(.87 + .02 * smooth_curve(world.rng, 4), world.leafy(.36))
    return .92


def field(b, layout, world):
    b.below(layout.horizon - layout.outline, world.leafy(.75, haze=.4))
    foot = layout.horizon + .02
    b.below(np.full(len(b.columns), foot), world.ground(.5, haze=.1) * .9)
    vanish = world.drift * b.aspect
    for k in range(-9, 10):     # rows of flowers that meet at the horizon
        near = vanish + k * .28
        b.polygon([(vanish + k * .022, foot), (vanish + k * .022 + .012, foot), (near + .16, 1.), (near, 1.)],
                  world.ground(1.15))
    return .92


def beach(b, layout, world):
    """Sand in front, a bay with foam behind, perhaps a headland."""
    if layout.outline.max() > .02:
        b.below(layout.horizon + .01 - layout.outline, mix(world.lit(colour(96, 136, 104)), world.haze, .35))
    deep, shallow = mix(world.lit(colour(30, 120, 190)), world.haze, .35), world.lit(colour(96, 206, 216))
    for k in range(12):
        b.rectangle(0, layout.horizon + .02 * k, b.aspect, 1, mix(deep, shallow, k / 11))
    shore = layout.horizon + .17 + .05 * smooth_curve(world.rng, 3) + .03 * np.linspace(-1, 1, len(b.columns)) * np.sign(world.drift - .5)
    foam, wet, sand = world.lit(colour(250, 252, 252), .2), world.ground(.82), world.ground(1.)
    b.below(shore, foam)
    b.below(shore + .022 + .006 * smooth_curve(world.rng, 9), wet)
    b.below(shore + .07, sand)
    b.below(shore + .07 + .16 + .03 * smooth_curve(world.rng, 3), world.ground(.93))
    for _ in range(14):     # pebbles
        x, y = world.rng.uniform(0, b.aspect), world.rng.uniform(.82, 1)
        b.ellipse(x, y, .012, .006, world.ground(.72))
    return .9


def river(b, layout, world):
    """Meadows with a river that winds from the horizon to the viewer."""
    b.below(layout.horizon + .02 - .6 * layout.outline[::-1], world.ground(1.05, haze=.5))
    b.below(layout.horizon + .06 - layout.outline, world.ground(1., haze=.2))
    b.below(np.full(len(b.columns), layout.horizon + .07), world.ground(.86))
    water, light = mix(world.lit(colour(52, 142, 222), .1), world.haze, .15), mix(world.lit(colour(140, 206, 250), .2), world.haze, .2)
    ys = np.linspace(layout.horizon + .07, 1, 24)
    t = (ys - ys[0]) / (1 - ys[0])
    middle = b.aspect * (.5 + (world.drift - .5) * .5) + .2 * np.sin(5.2 * t + 6 * world.drift) * (.25 + t)
    half = .015 + .2 * t ** 1.3
    for grow, fill in ((1.12, world.ground(.66)), (1., water)):
        b.polygon([*zip(middle - half * grow, ys), *zip((middle + half * grow)[::-1], ys[::-1])], fill)
    for k in range(3, 23, 2):
        x = middle[k] + half[k] * world.rng.uniform(-.6, .3)
        b.line([(x, ys[k]), (x + half[k] * .5, ys[k])], light, .008)
    for _ in range(8):      # bushes
        k, side = world.rng.integers(4, 20), world.rng.choice([-1, 1])
        x, r = middle[k] + side * (half[k] * 1.3 + world.rng.uniform(.02, .3)), .02 + .03 * t[k]
        b.ellipse(x, ys[k], r * 1.3, r, world.leafy(.6))
    return .9


DRAWERS = {f.__name__: f for f in (mountains, hills, sea, desert, forest, city, volcano, field, beach, river)}
