"""Colours of the scenes: skies, light, grounds and the colours that captions can name."""
from .brush import colour

SKIES = {   # top, middle, horizon
    "dawn": [colour(112, 126, 198), colour(246, 176, 176), colour(255, 228, 184)],
    "day": [colour(44, 132, 226), colour(122, 192, 248), colour(220, 242, 252)],
    "sunset": [colour(78, 40, 122), colour(238, 84, 88), colour(255, 190, 84)],
    "night": [colour(6, 10, 36), colour(18, 28, 78), colour(46, 66, 126)],
    "storm": [colour(40, 46, 58), colour(76, 84, 98), colour(136, 142, 148)],
    "aurora": [colour(6, 14, 40), colour(10, 44, 72), colour(28, 88, 98)],
}

# The factors of daylight colours.
LIGHTS = {
    "dawn": colour(.94, .80, .82), "day": colour(1, 1, 1), "sunset": colour(.84, .56, .54),
    "night": colour(.30, .36, .60), "storm": colour(.52, .56, .61), "aurora": colour(.28, .45, .52),
}

GROUNDS = {
    "mountains": colour(98, 112, 146), "hills": colour(98, 180, 78), "sea": colour(26, 112, 176),
    "desert": colour(238, 180, 100), "forest": colour(40, 116, 74), "city": colour(92, 104, 140),
    "volcano": colour(104, 70, 70), "field": colour(170, 150, 210), "beach": colour(244, 216, 154),
    "river": colour(112, 186, 88),
}

NAMED = {
    "red": colour(222, 44, 44), "orange": colour(245, 138, 30), "yellow": colour(250, 212, 50),
    "green": colour(50, 168, 76), "blue": colour(46, 104, 222), "purple": colour(136, 64, 190),
    "pink": colour(250, 138, 190), "white": colour(246, 246, 242), "black": colour(40, 38, 46),
}

WHITE = colour(255, 255, 255)
WARM_WINDOW = colour(255, 222, 120)
SNOW = colour(240, 246, 253)
DARK_TIMES = ("night", "aurora", "storm", "sunset")
