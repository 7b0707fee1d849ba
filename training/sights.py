"""More things in a landscape: church, bridge, waterfall, fire, pyramid, planet. Arguments as in things.py."""
import numpy as np

from .brush import colour, mix
from .paint import shade
from .palette import NAMED, WHITE


def church(b, x, y, h, paint):
    wall, roof = paint.lit(paint.body), paint.lit(colour(120, 62, 56))
    b.rectangle(x - h * .1, y - h * .34, x + h * .5, y, wall)
    b.polygon([(x - h * .14, y - h * .33), (x + h * .54, y - h * .33), (x + h * .46, y - h * .52), (x - h * .06, y - h * .52)], roof)
    b.rectangle(x - h * .32, y - h * .6, x - h * .06, y, shade(wall, .1))
    b.polygon([(x - h * .36, y - h * .59), (x - h * .02, y - h * .59), (x - h * .19, y - h * .92)], roof)
    cross = paint.lit(colour(240, 220, 130))
    b.rectangle(x - h * .205, y - h * 1.05, x - h * .175, y - h * .9, cross)
    b.rectangle(x - h * .25, y - h * 1.01, x - h * .13, y - h * .98, cross)
    for left in (.02, .17, .32):
        b.rectangle(x + h * left, y - h * .26, x + h * (left + .08), y - h * .1, paint.window)
    b.disc(x - h * .19, y - h * .48, h * .05, paint.window)
    b.rectangle(x - h * .24, y - h * .18, x - h * .14, y, paint.lit(colour(84, 56, 44)))


def bridge(b, x, y, h, paint):
    """An arch over a river that flows towards the viewer."""
    water, stone = paint.lit(colour(66, 146, 214)), paint.lit(paint.body)
    b.polygon([(x - h * .18, y - h * .5), (x + h * .18, y - h * .5), (x + h * .75, y + h * .4), (x - h * .75, y + h * .4)], water)
    b.polygon([(x - h * 1.3, y - h * .18), (x - h * .9, y - h * .5), (x, y - h * .78), (x + h * .9, y - h * .5), (x + h * 1.3, y - h * .18),
               (x + h * 1.3, y), (x - h * 1.3, y)], stone)
    b.half_disc(x, y + h * .02, h * .62, h * .55, water)
    b.line([(x - h * 1.3, y - h * .3), (x - h * .9, y - h * .62), (x, y - h * .9), (x + h * .9, y - h * .62), (x + h * 1.3, y - h * .3)], shade(stone, .35), .06 * h)
    for k in range(-3, 4):
        b.rectangle(x + h * (.3 * k - .02), y - h * (.88 - .035 * k * k), x + h * (.3 * k + .02), y - h * (.7 - .035 * k * k), shade(stone, .35))


def waterfall(b, x, y, h, paint):
    rock, water = paint.lit(paint.body), paint.lit(colour(150, 214, 250))
    for side in (-1, 1):
        b.polygon([(x + side * h * .13, y - h), (x + side * h * .42, y - h * .94), (x + side * h * .62, y - h * .5), (x + side * h * .7, y), (x + side * h * .1, y)],
                  shade(rock, .1 if side < 0 else .25))
    b.rectangle(x - h * .17, y - h * .97, x + h * .17, y, water)
    for k in range(5):
        at = x + h * (-.13 + .065 * k)
        b.line([(at, y - h * (.95 - .05 * (k % 2))), (at, y - h * .02)], mix(water, WHITE, .7 if k % 2 else .35), .022 * h)
    b.ellipse(x, y + h * .03, h * .6, h * .1, shade(water, .15))
    b.ellipse(x, y, h * .26, h * .06, mix(water, WHITE, .8))


def fire(b, x, y, h, paint):
    """A campfire, which glows by itself."""
    if paint.glowing:
        mask, draw = b.new_mask()
        for k in range(8):
            r = h * (1.15 - .1 * k)
            draw.ellipse([(x - r) * b.height, (y - h * .4 - r) * b.height, (x + r) * b.height, (y - h * .4 + r) * b.height], fill=9 * (k + 1))
        b.overlay(mask, (255, 180, 90))
    outer = paint.body
    for half, top, fill in ((.36, 1., outer), (.25, .72, mix(outer, colour(255, 214, 80), .6)), (.13, .42, colour(255, 246, 190))):
        b.polygon([(x - h * half, y - h * .08), (x - h * half * .9, y - h * top * .5), (x - h * half * .35, y - h * top * .42), (x, y - h * top),
                   (x + h * half * .4, y - h * top * .5), (x + h * half * .9, y - h * top * .62), (x + h * half, y - h * .08)], fill)
    for tilt in (-1, 1):
        b.line([(x - h * .44, y - h * .05 * (1 + tilt)), (x + h * .44, y - h * .05 * (1 - tilt))], paint.lit(colour(104, 66, 44)), .1 * h)


def pyramid(b, x, y, h, paint):
    stone = paint.lit(paint.body)
    b.polygon([(x - h * 1.1, y), (x, y - h), (x + h * 1.1, y)], stone)
    b.polygon([(x + h * .3, y), (x, y - h), (x + h * 1.1, y)], shade(stone, .3))
    for k in range(1, 6):
        t = k / 6
        b.line([(x - h * 1.1 * t, y - h * (1 - t)), (x + h * .3 * t, y - h * (1 - t))], shade(stone, .14), .012)


def planet(b, x, y, h, paint):
    """Large in the sky, with a ring."""
    body, r = mix(paint.body, WHITE, .1), h * .36
    ring = mix(paint.body, NAMED["yellow"] if np.abs(paint.body - NAMED["yellow"]).sum() > 9 else WHITE, .7)
    cy = y - h * .5
    b.line([(x - r * 1.9, cy + r * .5), (x + r * 1.9, cy - r * .5)], ring, .07 * h)
    b.disc(x, cy, r, body)
    for dy, tone in ((-.45, .14), (.05, .1), (.5, .2)):
        half = r * (1 - dy * dy) ** .5 * .97
        b.line([(x - half, cy + r * dy), (x + half, cy + r * dy)], shade(body, tone), .055 * h)
    b.line([(x - r * 1.9, cy + r * .5), (x - r * .2, cy + r * .2), (x + r * 1.2, cy - r * .14), (x + r * 1.9, cy - r * .5)], ring, .05 * h)
