"""Draws a scene: `render(attributes, layout, width, height)` gives a picture as uint8 [height, width, 3].

    python -m training.scenes --sheet FILE.png [--seed N]
"""
import numpy as np

from . import lands, things
from .attributes import Attributes, sample_attributes
from .brush import Brush, colour, mix
from .contact_sheet import save_sheet, sheet_options
from .layout import Layout, on_grid, sample_layout
from .paint import Paint
from .palette import DARK_TIMES, GROUNDS, LIGHTS, NAMED, SKIES, SNOW, WARM_WINDOW, WHITE
from .styles import apply_style


class World:
    """Light, haze and colours of one scene, shared by everything that is drawn into it."""

    def __init__(self, attributes: Attributes, layout: Layout):
        self.attributes = attributes
        self.rng = np.random.default_rng(layout.detail_seed)
        self.drift = self.rng.random()
        warm, bright = self.rng.uniform(-9, 9, 2)
        self.sky = [stop + (warm + bright, bright, bright - warm) for stop in SKIES[attributes.time]]
        self.haze = self.sky[2]
        self.light = LIGHTS[attributes.time]
        self.leaf = {"autumn": colour(222, 112, 36), "winter": colour(176, 202, 212),
                     "spring": colour(250, 150, 196)}.get(attributes.style, colour(66, 156, 70))
        self.base = self._base() + self.rng.uniform(-10, 10) * np.array([1, .4, -.8])

    def _base(self):
        land, style = self.attributes.land, self.attributes.style
        base = GROUNDS[land]
        if style == "autumn":
            base = {"hills": colour(214, 142, 54), "river": colour(214, 150, 66), "forest": colour(206, 96, 38), "field": colour(222, 160, 60),
                    "mountains": colour(146, 110, 92)}.get(land, base)
        if style == "winter":
            base = mix(base, SNOW, .3 if land in ("sea", "city", "volcano", "beach") else .75)
        if style == "spring":
            base = {"hills": colour(132, 214, 96), "river": colour(140, 214, 104), "forest": colour(104, 190, 104), "field": colour(250, 160, 206),
                    "mountains": colour(126, 140, 170)}.get(land, base)
        return base

    def lit(self, c, lamp=.0):
        """A daylight colour under the scene's light; `lamp` 0..1 adds light of its own."""
        return np.asarray(c) * mix(self.light, WHITE / 255, lamp)

    def ground(self, brightness, haze=0.):
        return mix(self.lit(self.base * brightness), self.haze, haze)

    def leafy(self, brightness, haze=0.):
        leaf = SNOW if self.attributes.style == "winter" else mix(self.leaf, self.base, .3)
        return mix(self.lit(leaf * brightness), self.haze, haze)


def draw_sky(b: Brush, layout, world):
    x, y = b.grid()
    top, middle, low = world.sky
    t = np.clip(y / layout.horizon, 0, 1)[..., None]
    sky = np.where(t < .55, mix(top, middle, t / .55), mix(middle, low, (t - .55) / .45))
    sky = np.repeat(sky, b.width, 1)
    a = world.attributes
    if a.celestial != "none":
        glow = {"sun": colour(255, 200, 120) if a.time == "sunset" else colour(255, 240, 180)}.get(
            a.celestial, colour(170, 190, 240))
        sx, sy, r = layout.sun
        distance = (x - sx * b.aspect) ** 2 + (y - sy) ** 2
        strength = np.exp(-distance / (2 * (2.3 * r) ** 2)) * (.65 if a.celestial == "sun" else .4)
        sky = mix(sky, glow, strength[..., None])
    if a.time == "aurora":
        wave = np.linspace(0, 2 * np.pi, b.width)
        for k, tint in enumerate((colour(70, 255, 150), colour(170, 90, 240))):
            phase, rate = world.rng.uniform(0, 6.3), world.rng.uniform(.8, 1.8)
            foot = layout.horizon * (.5 + .24 * k) + .07 * np.sin(wave * rate + phase) + .03 * np.sin(wave * 2.7 + 2 * phase)
            above = (foot[None] - y) / (layout.horizon * .4)
            strength = np.where(above > 0, np.exp(-above * 1.8), np.exp(-(above * 9) ** 2))
            sky = mix(sky, tint, (strength * .8)[..., None])
    b.paste(sky)
    if a.time in ("night", "aurora") and a.weather not in ("fog", "clouds", "rain"):
        for _ in range(int(34 * b.aspect)):
            r = world.rng.uniform(.003, .007)
            b.disc(world.rng.uniform(0, b.aspect), world.rng.uniform(0, layout.horizon), r, colour(240, 244, 255))


def draw_celestial(b: Brush, layout, world):
    kind = world.attributes.celestial
    x, y, r = layout.sun[0] * b.aspect, layout.sun[1], layout.sun[2]
    if kind == "sun":
        b.disc(x, y, r, {"day": colour(255, 240, 150), "dawn": colour(255, 214, 110)}.get(
            world.attributes.time, colour(255, 220, 96)))
    elif kind == "moon":
        b.disc(x, y, r, colour(248, 246, 230))
        for dx, dy, size in ((-.35, -.2, .22), (.25, .3, .18), (.2, -.35, .14)):
            b.disc(x + r * dx, y + r * dy, r * size, colour(212, 210, 202))
    elif kind == "crescent":
        mask, draw = b.new_mask()
        h = b.height
        draw.ellipse([(x - r) * h, (y - r) * h, (x + r) * h, (y + r) * h], fill=255)
        draw.ellipse([(x - r * .3) * h, (y - r * 1.15) * h, (x + r * 1.6) * h, (y + r * .8) * h], fill=0)
        b.overlay(mask, (252, 244, 210))


def draw_clouds(b: Brush, layout, world):
    a = world.attributes
    count = 5 if a.time == "storm" else {"clouds": 5, "rain": 4}.get(a.weather, 0)
    fill = mix(colour(255, 252, 250), world.sky[1], .12 if a.time == "day" else .4)
    if a.time in ("night", "aurora"):
        fill = mix(world.sky[2], colour(160, 172, 204), .4)
    if a.weather == "rain" or a.time == "storm":
        fill = mix(world.sky[1], colour(96, 100, 112), .5) * .76
    for k in range(count):
        x = b.aspect * ((k + .5) / count + world.rng.uniform(-.15, .15))
        y, size = layout.horizon * world.rng.uniform(.1, .55), world.rng.uniform(.08, .135)
        for q in range(5):
            b.disc(x + (q - 2) * size * .55, y, size * (.58 - .11 * abs(q - 2)), fill)
        b.rectangle(x - size * 1.4, y, x + size * 1.4, y + size * .42, fill)
    if a.time == "storm":
        x, y = world.rng.uniform(.2, .8) * b.aspect, layout.horizon * .28
        points = [(x, y)]
        for q in range(5):
            x, y = x + (.05 if q % 2 else -.05), y + layout.horizon * .14
            points.append((x, y))
        b.line(points, colour(255, 250, 180), .022)


def draw_rainbow(b: Brush, layout, world):
    x, y = b.grid()
    centre = (.25 + .5 * world.drift) * b.aspect
    radius = np.sqrt((x - centre) ** 2 + (y - layout.horizon - .12) ** 2)
    picture = b.array()
    bands = ("red", "orange", "yellow", "green", "blue", "purple")
    for k, name in enumerate(bands):
        outer = .56 - .024 * k
        ring = np.clip((radius - outer + .024) * 180, 0, 1) * np.clip((outer - radius) * 180, 0, 1)
        picture = mix(picture, NAMED[name], (.72 * ring)[..., None])
    b.paste(picture)


def place_things(b: Brush, layout, world, floor):
    """Draws the thing of the scene, or two or three of it: a large one and smaller ones beside it."""
    a, rng = world.attributes, world.rng
    size = things.HEIGHTS[a.thing] * {"big": 1.3, "small": .62}.get(a.size, 1.) * rng.uniform(.92, 1.1)
    x = layout.thing_x * b.aspect
    spots = [(x, floor, size)]
    if a.several:
        step = .34 if x < b.aspect / 2 else -.34
        spots = [(x + step, floor - .05, size * .66), (x + 2 * step, floor + .0, size * .72), (x, floor + .02, size * .8)]
        spots = spots[rng.integers(2):]
    choices = things.DEFAULT_COLOURS[a.thing]
    body = NAMED.get(a.colour, choices[rng.integers(len(choices))])
    if a.colour == "none" and a.thing == "tree":
        body = world.leaf if a.style in ("autumn", "winter", "spring") else body
    dark = a.time in DARK_TIMES
    lamp = .5 if a.time in ("night", "aurora") else .4
    lit = lambda c: np.minimum(world.lit(c, lamp) * 1.08, 255)
    paint = Paint(body, lit, WARM_WINDOW if dark else lit(colour(110, 160, 205)), dark, rng.random())
    for px, py, h in spots:
        if a.thing in things.FLYING:
            py = max(.1 + h, min(layout.horizon * rng.uniform(.75, 1.05), .82))
        elif a.thing == "boat" and a.land not in ("sea", "river"):     # a lake to float on
            b.ellipse(px, py + .01, h * .95, .075, world.lit(colour(70, 150, 214), .15))
        elif a.land == "sea" and a.thing != "boat":    # an island to stand on
            b.ellipse(px, py + .02, max(.2, h * .62), .07, world.lit(colour(226, 196, 132), .1))
        things.DRAWERS[a.thing](b, on_grid(px), on_grid(py), on_grid(h), paint)


def draw_weather(b: Brush, layout, world):
    kind, rng = world.attributes.weather, world.rng
    if kind == "fog":
        _, y = b.grid()
        strength = np.exp(-((y - layout.horizon - .06) / .17) ** 2) * .82
        tint = mix(world.haze, colour(216, 220, 228), .4 if world.light.mean() > .5 else .15)
        b.paste(mix(b.array(), tint, np.repeat(strength[..., None], b.width, 1)))
    elif kind == "rain":
        mask, draw = b.new_mask()
        for _ in range(int(64 * b.aspect)):
            x, y = rng.uniform(0, b.aspect) * b.height, rng.uniform(0, 1) * b.height
            draw.line([(x, y), (x - .016 * b.height, y + .075 * b.height)], fill=185, width=max(2, b.height // 110))
        b.overlay(mask, (208, 222, 242))
    elif kind == "snow":
        for _ in range(int(58 * b.aspect)):
            b.disc(rng.uniform(0, b.aspect), rng.uniform(0, 1), rng.uniform(.007, .014), colour(248, 251, 255))


def render(attributes: Attributes, layout: Layout, width=256, height=256) -> np.ndarray:
    """The same attributes and layout always give the same picture."""
    b, world = Brush(width, height), World(attributes, layout)
    draw_sky(b, layout, world)
    draw_clouds(b, layout, world)
    draw_celestial(b, layout, world)
    if attributes.weather == "rainbow":
        draw_rainbow(b, layout, world)
    floor = lands.DRAWERS[attributes.land](b, layout, world)
    if attributes.thing != "none":
        place_things(b, layout, world, floor)
    draw_weather(b, layout, world)
    return apply_style(b.finish(), attributes.style)


def main():
    from .captions import caption
    file, rng = sheet_options(__doc__)
    pictures = []
    for k in range(40):
        attributes = sample_attributes(rng)
        pictures.append([render(attributes, sample_layout(rng, attributes))])
        print(k, caption(rng, attributes))
    save_sheet(file, 8, pictures, 160)


if __name__ == "__main__":
    main()
