"""The things that a prompt can name. Each function draws one thing that stands at (x, y) and is about `h` high.

`paint.body` is the colour that a caption names ("red house"), `paint.lit` turns a daylight colour into the colour
under the scene's light, `paint.window` is a window's colour, `paint.swing` a random angle.
"""
import math

import numpy as np

from .brush import colour, mix
from .living_things import bird, cat, flower, person
from .paint import shade, trunk_colour
from .palette import NAMED, WHITE
from .sights import bridge, church, fire, planet, pyramid, waterfall


DEFAULT_COLOURS = {     # when the caption names none
    "tree": [colour(52, 150, 66), colour(84, 168, 60)], "palm": [colour(46, 152, 84)],
    "house": [colour(246, 232, 206), colour(232, 196, 140)], "lighthouse": [NAMED["red"]],
    "boat": [NAMED["white"], colour(250, 236, 210)], "castle": [colour(186, 178, 188), colour(206, 190, 170)],
    "cactus": [colour(54, 146, 78)], "windmill": [colour(246, 238, 222)],
    "balloon": [NAMED["red"], NAMED["orange"], NAMED["blue"], NAMED["yellow"]],
    "tent": [NAMED["orange"], NAMED["yellow"], colour(60, 150, 160)], "mushroom": [NAMED["red"]],
    "rocket": [NAMED["white"], colour(220, 224, 232)],
    "church": [colour(246, 240, 226), colour(214, 200, 184)], "bridge": [colour(170, 150, 134), colour(150, 156, 166)],
    "waterfall": [colour(120, 112, 108)], "fire": [colour(246, 96, 30)], "pyramid": [colour(232, 190, 116)],
    "cat": [colour(240, 150, 60), NAMED["black"], colour(150, 150, 156)], "bird": [NAMED["white"], NAMED["blue"], colour(60, 60, 70)],
    "flower": [NAMED["red"], NAMED["yellow"], NAMED["pink"], NAMED["purple"]], "person": [NAMED["red"], NAMED["blue"], NAMED["yellow"], NAMED["green"]],
    "planet": [colour(226, 150, 90), colour(120, 160, 230), colour(200, 120, 200)],
}
# Height of a thing of normal size, as a fraction of the picture's height.
HEIGHTS = {"tree": .46, "palm": .48, "house": .32, "lighthouse": .56, "boat": .36, "castle": .46, "cactus": .4,
           "windmill": .42, "balloon": .38, "tent": .27, "mushroom": .34, "rocket": .52, "church": .44, "bridge": .26, "waterfall": .46,
           "fire": .3, "pyramid": .32, "cat": .36, "bird": .22, "flower": .42, "person": .42, "planet": .34}
# Those that are in the air.
FLYING = ("balloon", "bird", "planet")


def tree(b, x, y, h, paint):
    b.rectangle(x - h * .055, y - h * .5, x + h * .055, y + h * .02, trunk_colour(paint))
    leaf = paint.lit(paint.body)
    for dx, dy, r in ((-.2, .52, .2), (.2, .52, .2), (0, .74, .25), (0, .5, .22)):
        b.disc(x + h * dx, y - h * dy, h * r, leaf)
    b.disc(x - h * .07, y - h * .8, h * .12, mix(leaf, WHITE, .18))
    b.disc(x + h * .16, y - h * .46, h * .1, shade(leaf, .12))


def palm(b, x, y, h, paint):
    points = [(x + h * .16 * t * t, y - h * .78 * t) for t in np.linspace(0, 1, 8)]
    b.line(points, trunk_colour(paint), .06 * h)
    top_x, top_y = points[-1]
    leaf = paint.lit(paint.body)
    for reach, drop in ((-.46, .16), (-.36, -.12), (.36, -.12), (.46, .16), (-.2, .3), (.2, .3)):
        tip = (top_x + h * reach, top_y + h * drop)
        bend = (top_x + h * reach * .5, top_y + h * (drop * .3 - .16))
        under = (top_x + h * reach * .5, top_y + h * (drop * .3 - .05))
        b.polygon([(top_x, top_y), bend, tip, under], leaf)
    b.disc(top_x, top_y + h * .02, h * .05, paint.lit(colour(120, 70, 40)))


def house(b, x, y, h, paint):
    wall, roof = paint.lit(paint.body), paint.lit(colour(176, 60, 48))
    if np.abs(paint.body - NAMED["red"]).sum() < 9:
        roof = paint.lit(colour(84, 72, 92))
    b.rectangle(x + h * .3, y - h * .98, x + h * .46, y - h * .6, paint.lit(colour(130, 80, 70)))
    b.rectangle(x - h * .56, y - h * .56, x + h * .56, y, wall)
    b.polygon([(x - h * .7, y - h * .54), (x + h * .7, y - h * .54), (x, y - h)], roof)
    b.rectangle(x - h * .11, y - h * .36, x + h * .11, y, paint.lit(colour(96, 62, 48)))
    for left in (-.44, .2):
        b.rectangle(x + h * left, y - h * .42, x + h * (left + .24), y - h * .18, paint.window)


def lighthouse(b, x, y, h, paint):
    if paint.glowing:
        mask, draw = b.new_mask()
        away = 1 if x < b.aspect / 2 else -1
        points = [(x, y - h * .88), (x + away * b.aspect, y - h * 1.2), (x + away * b.aspect, y - h * .55)]
        draw.polygon([(px * b.height, py * b.height) for px, py in points], fill=60)
        b.overlay(mask, (255, 240, 170))
    b.ellipse(x, y, h * .26, h * .06, paint.lit(colour(96, 88, 90)))
    light = NAMED["red"] if np.abs(paint.body - NAMED["white"]).sum() < 9 else NAMED["white"]
    for k in range(5):
        low, high = .16 * k, .16 * (k + 1)
        wide, narrow = .15 - .08 * low, .15 - .08 * high
        stripe = paint.lit(light if k % 2 else paint.body)
        b.polygon([(x - h * wide, y - h * low), (x + h * wide, y - h * low), (x + h * narrow, y - h * high),
                   (x - h * narrow, y - h * high)], stripe)
    b.rectangle(x - h * .07, y - h * .92, x + h * .07, y - h * .8, colour(255, 238, 150))
    b.rectangle(x - h * .13, y - h * .82, x + h * .13, y - h * .79, paint.lit(colour(70, 60, 66)))
    b.polygon([(x - h * .11, y - h * .91), (x + h * .11, y - h * .91), (x, y - h)], paint.lit(shade(paint.body, .3)))


def boat(b, x, y, h, paint):
    sail = paint.lit(paint.body)
    b.rectangle(x - h * .015, y - h, x + h * .02, y - h * .12, paint.lit(colour(90, 60, 50)))
    b.polygon([(x + h * .05, y - h * .96), (x + h * .05, y - h * .22), (x + h * .48, y - h * .22)], sail)
    b.polygon([(x - h * .04, y - h * .86), (x - h * .04, y - h * .22), (x - h * .38, y - h * .22)], shade(sail, .14))
    b.polygon([(x - h * .54, y - h * .16), (x + h * .56, y - h * .16), (x + h * .38, y + h * .06),
               (x - h * .38, y + h * .06)], paint.lit(colour(134, 66, 46)))


def castle(b, x, y, h, paint):
    wall, roof = paint.lit(paint.body), paint.lit(colour(66, 92, 170))
    if np.abs(paint.body - NAMED["blue"]).sum() < 9:
        roof = paint.lit(colour(170, 60, 60))
    b.rectangle(x - h * .42, y - h * .44, x + h * .42, y, wall)
    for k in range(6):
        b.rectangle(x + h * (-.42 + .146 * k), y - h * .5, x + h * (-.34 + .146 * k), y - h * .43, wall)
    for centre, top in ((-.44, .62), (.44, .62), (0, .74)):
        b.rectangle(x + h * (centre - .11), y - h * top, x + h * (centre + .11), y, shade(wall, .16))
        b.polygon([(x + h * (centre - .15), y - h * top), (x + h * (centre + .15), y - h * top),
                   (x + h * centre, y - h * (top + .27))], roof)
        b.rectangle(x + h * (centre - .035), y - h * (top - .1), x + h * (centre + .035), y - h * (top - .22),
                    paint.window)
    b.half_disc(x, y - h * .12, h * .09, h * .12, paint.lit(colour(70, 48, 42)))
    b.rectangle(x - h * .09, y - h * .12, x + h * .09, y, paint.lit(colour(70, 48, 42)))


def cactus(b, x, y, h, paint):
    green, r = paint.lit(paint.body), .085 * h

    def limb(*points):
        b.line(points, green, 2 * r)
        for px, py in points:
            b.disc(px, py, r, green)
    limb((x, y), (x, y - h * .92))
    limb((x, y - h * .34), (x - h * .32, y - h * .34), (x - h * .32, y - h * .68))
    limb((x, y - h * .46), (x + h * .3, y - h * .46), (x + h * .3, y - h * .78))


def windmill(b, x, y, h, paint):
    b.polygon([(x - h * .24, y), (x + h * .24, y), (x + h * .14, y - h * .72), (x - h * .14, y - h * .72)],
              paint.lit(paint.body))
    b.half_disc(x, y - h * .71, h * .16, h * .18, paint.lit(colour(160, 66, 52)))
    b.rectangle(x - h * .07, y - h * .22, x + h * .07, y, paint.lit(colour(100, 66, 50)))
    b.rectangle(x - h * .05, y - h * .5, x + h * .05, y - h * .38, paint.window)
    cx, cy = x, y - h * .72
    for k in range(4):
        angle = (paint.swing + k) * math.pi / 2
        u, v = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        at = lambda along, across: (cx + h * (u[0] * along + v[0] * across), cy + h * (u[1] * along + v[1] * across))
        sail = paint.lit(colour(236, 226, 206) if np.mean(paint.body) < 200 else colour(150, 110, 84))
        b.polygon([at(.1, 0), at(.56, 0), at(.56, .15), at(.1, .12)], sail)
        b.line([at(0, 0), at(.58, 0)], paint.lit(colour(92, 62, 50)), .03 * h)


def balloon(b, x, y, h, paint):
    r, cy = .34 * h, y - h * .66
    main = paint.lit(paint.body)
    stripe = paint.lit(NAMED["yellow"] if np.abs(paint.body - NAMED["white"]).sum() < 9 else NAMED["white"])
    for half, fill in ((1., main), (.42, stripe)):
        b.polygon([(x - r * .93 * half, cy + r * .4), (x + r * .93 * half, cy + r * .4), (x + r * .2, cy + r * 1.4),
                   (x - r * .2, cy + r * 1.4)] if half == 1 else
                  [(x - r * .4, cy + r * .4), (x + r * .4, cy + r * .4), (x + r * .09, cy + r * 1.4),
                   (x - r * .09, cy + r * 1.4)], fill)
        b.ellipse(x, cy, r * half, r, fill)
    b.rectangle(x - r * .22, cy + r * 1.52, x + r * .22, cy + r * 1.92, paint.lit(colour(122, 82, 52)))


def tent(b, x, y, h, paint):
    b.polygon([(x - h, y), (x + h, y), (x, y - h)], paint.lit(paint.body))
    b.polygon([(x, y - h), (x + h, y), (x + h * .34, y)], paint.lit(shade(paint.body, .22)))
    b.polygon([(x - h * .34, y), (x + h * .34, y), (x, y - h * .82)],
              colour(255, 218, 130) if paint.glowing else paint.lit(shade(paint.body, .6)))


def mushroom(b, x, y, h, paint):
    b.polygon([(x - h * .15, y), (x + h * .15, y), (x + h * .11, y - h * .6), (x - h * .11, y - h * .6)],
              paint.lit(colour(250, 240, 222)))
    cap = paint.lit(paint.body)
    b.half_disc(x, y - h * .48, h * .5, h * .5, cap)
    b.ellipse(x, y - h * .48, h * .5, h * .07, shade(cap, .2))
    dots = paint.lit(NAMED["red"] if np.mean(paint.body) > 215 else WHITE)
    for dx, dy, r in ((-.25, .64, .08), (.04, .78, .09), (.27, .62, .07)):
        b.disc(x + h * dx, y - h * dy, h * r, dots)


def rocket(b, x, y, h, paint):
    body, fin = paint.lit(paint.body), paint.lit(NAMED["blue"] if paint.body[0] > 200 and paint.body[2] < 120
                                                 else NAMED["red"])
    b.polygon([(x - h * .09, y - h * .1), (x + h * .09, y - h * .1), (x, y + h * .1)], colour(255, 190, 70))
    for side in (-1, 1):
        b.polygon([(x + side * h * .1, y - h * .36), (x + side * h * .27, y), (x + side * h * .1, y - h * .08)], fin)
    b.rectangle(x - h * .13, y - h * .7, x + h * .13, y - h * .06, body)
    b.polygon([(x - h * .13, y - h * .69), (x + h * .13, y - h * .69), (x, y - h)], fin)
    b.disc(x, y - h * .52, h * .085, paint.lit(colour(70, 84, 110)))
    b.disc(x, y - h * .52, h * .055, colour(150, 220, 250))


DRAWERS = {f.__name__: f for f in (tree, palm, house, lighthouse, boat, castle, cactus, windmill, balloon, tent,
                                   mushroom, rocket, church, bridge, waterfall, fire, pyramid, cat, bird, flower, person,
                                   planet)}
