"""The colours of a thing, shared by all files that draw things."""
from dataclasses import dataclass
from typing import Callable

import numpy as np

from .brush import colour, mix


@dataclass
class Paint:
    """`body` is the colour that a caption names, `lit` turns a daylight colour into the colour under the scene's light."""
    body: np.ndarray
    lit: Callable
    window: np.ndarray
    glowing: bool       # it is dark outside: lamps are on
    swing: float        # 0..1


def shade(c, t=.2):
    return mix(c, (0, 0, 0), t)


def trunk_colour(paint):
    return paint.lit(colour(110, 74, 48))
