"""The possible content of a scene. An `Attributes` object fully describes what a caption may say about a picture."""
from dataclasses import asdict, dataclass

TIMES = ["dawn", "day", "sunset", "night", "storm", "aurora"]
LANDS = ["mountains", "hills", "sea", "desert", "forest", "city", "volcano", "field", "beach", "river"]
THINGS = ["none", "tree", "palm", "house", "lighthouse", "boat", "castle", "cactus", "windmill", "balloon", "tent",
          "mushroom", "rocket", "church", "bridge", "waterfall", "fire", "pyramid", "cat", "bird", "flower", "person", "planet"]
COLOURS = ["none", "red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black"]
WEATHERS = ["clear", "clouds", "rain", "snow", "fog", "rainbow"]
CELESTIALS = ["none", "sun", "moon", "crescent"]
STYLES = ["none", "pastel", "neon", "sepia", "mono", "spring", "autumn", "winter", "watercolour", "ink", "pixel", "swirls",
          "woodcut"]
SIZES = ["none", "big", "small"]
SIDES = ["none", "left", "middle", "right"]

# The heads of the judge, in this order (see judge.py).
JUDGED = {"time": TIMES, "land": LANDS, "thing": THINGS, "weather": WEATHERS, "celestial": CELESTIALS, "style": STYLES}


@dataclass
class Attributes:
    time: str = "day"
    land: str = "hills"
    thing: str = "none"
    several: bool = False       # two or three of the thing
    colour: str = "none"        # of the thing
    size: str = "none"          # of the thing
    side: str = "none"          # of the picture where the thing stands
    weather: str = "clear"
    celestial: str = "none"
    style: str = "none"

    def to_dict(self):
        return asdict(self)


def sample_attributes(rng, thing_probability=0.72) -> Attributes:
    """Draws attributes that go together (no sun at night, no stars in the rain). `rng` is a numpy Generator."""
    pick = lambda names, p=None: names[rng.choice(len(names), p=p)]
    a = Attributes(time=pick(TIMES, [.16, .2, .2, .2, .1, .14]), land=pick(LANDS))
    if rng.random() < thing_probability:
        a.thing = THINGS[1 + rng.integers(len(THINGS) - 1)]
        if a.land == "sea" and rng.random() < .4:
            a.thing = pick(["boat", "lighthouse"])
        a.several = bool(rng.random() < .25)
        if rng.random() < .55:
            a.colour = COLOURS[1 + rng.integers(len(COLOURS) - 1)]
        if rng.random() < .3:
            a.size = pick(["big", "small"])
        if rng.random() < .3 and not a.several:
            a.side = pick(["left", "middle", "right"])
    if rng.random() < .5:
        a.weather = WEATHERS[1 + rng.integers(len(WEATHERS) - 1)]
    if a.weather == "rainbow" and a.time in ("night", "aurora", "storm"):
        a.weather = "clear"
    if rng.random() < .62:
        a.celestial = {"dawn": "sun", "day": "sun", "sunset": "sun", "night": pick(["moon", "crescent"]),
                       "aurora": pick(["moon", "crescent", "none"]), "storm": "none"}[a.time]
    if rng.random() < .5:
        a.style = STYLES[1 + rng.integers(len(STYLES) - 1)]
    return a
