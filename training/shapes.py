"""Pairs for the control branch: a camera-like frame, its control pictures, and a scene that contains the frame's figure.

The figure is made of the scene's land, lit and weathered like the scene: a person as a mountain with snow on the
shoulders, as a hill, as a skyline with lit windows. At night it may be a constellation, in neon an outline of light.

    python -m training.shapes --sheet FILE.png      # frames, control pictures, scenes
"""
import dataclasses

import numpy as np
from PIL import Image, ImageFilter

from . import lands
from .attributes import sample_attributes
from .brush import Brush, colour, mix
from .contact_sheet import save_sheet, sheet_options
from .control_maps import blurred, control_maps
from .figures import figure_frame
from .frames import as_camera
from .layout import COLUMNS, sample_layout
from .pairs import correlation, pooled_luminance
from .palette import WHITE
from .scenes import World, draw_celestial, draw_clouds, draw_rainbow, draw_sky, draw_weather, place_things, render
from .styles import LUMINANCE, apply_style

PLAIN = .25     # share of pairs whose frame and control pictures come from the scene itself
CANDIDATES = 5  # scenes drawn, of which the one whose luminance follows the frame best is taken
CONTRAST = 48   # between figure and background, grey levels


def skyline_of(figure):
    """Height of the figure's upper edge in every column of an outline, from the picture's bottom; 0 where there is no figure."""
    present = figure > 127
    top = np.where(present.any(0), present.argmax(0) / len(figure), 1.)
    columns = np.linspace(0, len(top) - 1, COLUMNS)
    return 1 - np.interp(columns, np.arange(len(top)), top)


def filled(b, layout, world, figure):
    """The figure's fill: the land of the scene, reaching up to the figure's upper edge, float [H, W, 3]."""
    canvas = Brush(round(b.width / 2), round(b.height / 2))
    canvas.paste(np.broadcast_to(world.ground(.75), (b.height, b.width, 3)))
    foot = .9
    high = dataclasses.replace(layout, horizon=foot, outline=np.maximum(skyline_of(figure) - (1 - foot), .02))
    lands.DRAWERS[world.attributes.land](canvas, high, world)
    return canvas.array()


def stars(rng, b, figure, picture):
    """Draws stars along the figure's outline and within it, some of them joined by thin lines."""
    canvas = Brush(round(b.width / 2), round(b.height / 2))
    canvas.paste(picture)
    edge = np.asarray(Image.fromarray(figure).filter(ImageFilter.FIND_EDGES)) > 40
    points = np.argwhere(edge)
    if len(points) == 0:
        return picture
    chosen = points[np.sort(rng.integers(0, len(points), 46))]
    centre = chosen.mean(0)
    chosen = chosen[np.argsort(np.arctan2(*(chosen - centre).T))]
    scale = 1 / len(figure)
    for (y0, x0), (y1, x1) in zip(chosen, np.roll(chosen, -1, 0)):
        if abs(y0 - y1) + abs(x0 - x1) < .16 / scale:
            canvas.line([(x0 * scale, y0 * scale), (x1 * scale, y1 * scale)], colour(150, 176, 236), .006)
    for y, x in chosen:
        canvas.disc(x * scale, y * scale, rng.uniform(.006, .012), colour(250, 250, 255))
    return canvas.array()


def set_apart(fill, behind, inside, lighter):
    """Makes `fill` lighter or darker, so that the figure stands out from its background."""
    mean = lambda picture: float((picture * inside).sum() / (3 * inside.sum() + 1))
    missing = CONTRAST - (mean(fill) - mean(behind)) * (1 if lighter else -1)
    if missing <= 0:
        return fill
    if lighter:
        return mix(fill, WHITE, min(.6, missing / max(1., 255 - mean(fill))))
    return fill * max(.3, 1 - missing / max(1., mean(fill)))


def place_figure(b, layout, world, figure, lighter):
    """Draws the figure (uint8 [H, W], canvas size) over the canvas, with light along its edge."""
    a, rng = world.attributes, world.rng
    inside = (np.asarray(Image.fromarray(figure).filter(ImageFilter.GaussianBlur(2))).astype(np.float32) / 255)[..., None]
    behind, fill = b.array(), filled(b, layout, world, figure)
    deep = blurred(figure, b.height / 26)[..., None] / 255     # 1/2 at the edge, 1 well within
    sun_x = layout.sun[0] if a.celestial != "none" else .3
    x, _ = b.grid()
    lit_side = 1 - np.abs(x / b.aspect - sun_x)[..., None]
    fill = fill * (.72 + .4 * deep)
    if a.style != "neon" and a.time in ("night", "aurora") and a.land not in ("city", "volcano"):
        fill = stars(rng, b, figure, mix(fill, world.sky[0], .4))
    fill = set_apart(fill, behind, inside, lighter)
    picture = mix(behind, fill, inside)
    rim = np.clip(4 * inside * (1 - inside), 0, 1) * np.clip(lit_side, 0, 1)
    glow = colour(60, 250, 255) if a.style == "neon" else mix(world.haze, WHITE, .5)
    picture = mix(picture, glow, (1. if a.style == "neon" else .4) * rim)
    if a.style == "neon":
        halo = blurred(255 * rim[..., 0], b.height / 60)[..., None] / 255
        picture = picture + 90 * halo * np.array([.4, 1, 1])
    b.paste(picture)


def render_with_figure(attributes, layout, figure, lighter, width=256, height=256):
    """A scene with a figure in front of its land, uint8 [height, width, 3].

    `figure`: uint8 [H, W] of any size. `lighter`: whether the figure is lighter than its background, else darker.
    """
    b, world = Brush(width, height), World(attributes, layout)
    figure = np.asarray(Image.fromarray(figure).resize((b.width, b.height), Image.BILINEAR))
    draw_sky(b, layout, world)
    draw_clouds(b, layout, world)
    draw_celestial(b, layout, world)
    if attributes.weather == "rainbow":
        draw_rainbow(b, layout, world)
    floor = lands.DRAWERS[attributes.land](b, layout, world)
    if attributes.thing != "none":
        place_things(b, layout, world, floor)
    place_figure(b, layout, world, figure, lighter)
    draw_weather(b, layout, world)
    return apply_style(b.finish(), attributes.style)


def free_side(figure):
    """The x of the picture where there is most room beside the figure."""
    room = 1 - (figure > 127).mean(0)
    smooth = np.convolve(room, np.ones(len(room) // 4) / (len(room) // 4), mode="same")
    return float(np.clip(smooth.argmax() / len(room), .16, .84))


def candidate(rng, frame, figure, lighter):
    """How well a random scene with the figure follows the frame's luminance, its attributes and its layout."""
    attributes = sample_attributes(rng, thing_probability=.3)
    attributes.side, attributes.several = "none", False
    layout = sample_layout(rng, attributes)
    layout = dataclasses.replace(layout, outline=.6 * layout.outline, thing_x=free_side(figure))
    small = render_with_figure(attributes, layout, figure, lighter, 48, 48)
    return correlation(pooled_luminance(frame), pooled_luminance(small)), attributes, layout


def make_shape(rng, size=256):
    """A frame, its control pictures, its scene (uint8 [size, size, 3] each) and the scene's attributes."""
    if rng.random() < PLAIN:
        attributes = sample_attributes(rng)
        scene = render(attributes, sample_layout(rng, attributes), size, size)
        grey = np.repeat((scene.astype(np.float32) @ LUMINANCE)[..., None], 3, 2)
        figure = np.where(blurred(grey[..., 0], 2) < np.median(grey), 255, 0).astype(np.uint8)
        frame = as_camera(rng, mix(scene, grey, rng.uniform(0, 1)))
        return frame, control_maps(rng, frame, figure), scene, attributes
    frame, figure = figure_frame(rng, size)
    grey = frame.astype(np.float32) @ LUMINANCE
    lighter = grey[figure > 127].mean() > grey[figure <= 127].mean()
    best = max((candidate(rng, frame, figure, lighter) for _ in range(CANDIDATES)), key=lambda choice: choice[0])
    _, attributes, layout = best
    return frame, control_maps(rng, frame, figure), render_with_figure(attributes, layout, figure, lighter, size, size), attributes


def main():
    file, rng = sheet_options(__doc__)
    save_sheet(file, 10, [make_shape(rng)[:3] for _ in range(30)], 128)


if __name__ == "__main__":
    main()
