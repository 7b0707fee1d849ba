"""Living things: cat, bird, flower, person. Arguments as in things.py."""
import math

from .brush import colour, mix
from .paint import shade
from .palette import NAMED, WHITE


def cat(b, x, y, h, paint):
    """Sitting, seen from the front."""
    fur = paint.lit(paint.body)
    b.line([(x + h * .26, y - h * .06), (x + h * .46, y - h * .12), (x + h * .46, y - h * .4)], fur, .09 * h)
    b.disc(x + h * .46, y - h * .4, h * .045, fur)
    b.ellipse(x, y - h * .27, h * .29, h * .3, fur)
    b.ellipse(x, y - h * .2, h * .14, h * .2, mix(fur, WHITE, .35))
    for side in (-1, 1):
        b.ellipse(x + side * h * .13, y - h * .03, h * .1, h * .06, fur)
        b.polygon([(x + side * h * .25, y - h), (x + side * h * .26, y - h * .68), (x + side * h * .04, y - h * .82)], fur)
    b.ellipse(x, y - h * .66, h * .27, h * .22, fur)
    for side in (-1, 1):
        b.ellipse(x + side * h * .11, y - h * .68, h * .055, h * .07, colour(240, 214, 70))
        b.ellipse(x + side * h * .11, y - h * .68, h * .022, h * .065, colour(20, 20, 24))
    b.polygon([(x - h * .04, y - h * .58), (x + h * .04, y - h * .58), (x, y - h * .53)], colour(226, 120, 130))


def bird(b, x, y, h, paint):
    """Flying, wings spread."""
    feathers = paint.lit(paint.body)
    lift = .25 + .3 * paint.swing
    for side in (-1, 1):
        b.polygon([(x, y - h * .42), (x + side * h * .5, y - h * (.5 + lift)), (x + side * h * 1.05, y - h * (.3 + lift)),
                   (x + side * h * .55, y - h * (.22 + lift * .6)), (x + side * h * .1, y - h * .2)], shade(feathers, .12 if side < 0 else .2))
    b.ellipse(x, y - h * .32, h * .36, h * .16, feathers)
    b.polygon([(x - h * .3, y - h * .34), (x - h * .62, y - h * .46), (x - h * .62, y - h * .2)], shade(feathers, .2))
    b.disc(x + h * .34, y - h * .44, h * .13, feathers)
    b.polygon([(x + h * .44, y - h * .5), (x + h * .44, y - h * .38), (x + h * .62, y - h * .42)], colour(250, 170, 50))
    b.disc(x + h * .38, y - h * .47, h * .026, colour(20, 20, 24))


def flower(b, x, y, h, paint):
    """One large blossom on a stem with two leaves."""
    green, petal = paint.lit(colour(60, 150, 66)), paint.lit(paint.body)
    b.line([(x, y), (x, y - h * .7)], green, .06 * h)
    for side in (-1, 1):
        b.polygon([(x, y - h * .14), (x + side * h * .3, y - h * .4), (x + side * h * .06, y - h * .34)], green)
    for k in range(8):
        angle = k * math.pi / 4 + paint.swing
        b.disc(x + h * .2 * math.cos(angle), y - h * .74 - h * .2 * math.sin(angle), h * .115, shade(petal, .1 * (k % 2)))
    b.disc(x, y - h * .74, h * .13, paint.lit(colour(120, 76, 40) if (paint.body - NAMED["yellow"]).any() == 0 else colour(252, 206, 60)))


def person(b, x, y, h, paint):
    """Standing, in clothes of the named colour, one arm raised or both down."""
    clothes, skin, dark = paint.lit(paint.body), paint.lit(colour(226, 176, 142)), paint.lit(colour(52, 56, 78))
    for side in (-1, 1):
        b.line([(x + side * h * .07, y - h * .44), (x + side * h * .1, y - h * .01)], dark, .11 * h)
    raised = paint.swing < .5
    for side in (-1, 1):
        up = raised and side > 0
        hand_at = (x + side * h * .34, y - h * (1.02 if up else .42))
        b.line([(x + side * h * .14, y - h * .74), (x + side * h * .27, y - h * (.86 if up else .56)), hand_at], clothes, .09 * h)
        b.disc(*hand_at, h * .05, skin)
    b.polygon([(x - h * .18, y - h * .78), (x + h * .18, y - h * .78), (x + h * .15, y - h * .4), (x - h * .15, y - h * .4)], clothes)
    b.disc(x, y - h * .9, h * .11, skin)
    b.half_disc(x, y - h * .91, h * .12, h * .12, paint.lit(colour(84, 54, 40)))
