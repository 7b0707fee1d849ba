"""Captions: turns attributes into text that a person might type."""
from .words import FILLERS, PHRASES, PLURALS

UNKNOWN = "zzz"     # stands for any word that is not in the vocabulary
# How often a caption names an attribute of its scene: a quarter name no time of day, a fifth no land, and so on, as people type.
SAID = {"time": .75, "land": .8, "thing": .85, "weather": .9, "celestial": .85, "style": .95}
ARTICLES = ("a ", "a ", "the ", "")
OPENINGS = ("", "", "", "a picture of ", "painting of ", "a beautiful ", "an illustration of ", "a landscape with ",
            "a scene with ", "photo of ", "a view of ")


def phrase(rng, attribute, value, plain=.5):
    """A phrase for the value: the first one with probability `plain`, else any."""
    options = PHRASES[attribute][value]
    return options[0] if rng.random() < plain else options[rng.integers(len(options))]


def thing_phrase(rng, a):
    word = phrase(rng, "thing", a.thing)
    words = [word]
    if a.several:
        plurals = PLURALS[a.thing]
        words = [plurals[rng.integers(len(plurals))]] if rng.random() < .7 else [word]
    if a.colour != "none":
        words.insert(0, phrase(rng, "colour", a.colour, .7))
    if a.size != "none":
        words.insert(0, phrase(rng, "size", a.size))
    if a.several:
        count = phrase(rng, "several", "several", .3) if rng.random() < .5 or words[-1] == word else ""
        words.insert(0, count)
    else:
        words.insert(0, ARTICLES[rng.integers(4)].strip())
    if a.side != "none":
        words.append(phrase(rng, "side", a.side))
    return " ".join(w for w in words if w)


def caption(rng, a, mention=None, unnamed=None):
    """A caption that names each attribute with the probability `mention` or, without it, of SAID; unnamed ones may be anything.

    The names of the attributes that the scene has and the caption leaves out are added to the set `unnamed`.
    """
    def named(attribute):
        said = rng.random() < (SAID[attribute] if mention is None else mention)
        if unnamed is not None and not said:
            unnamed.add(attribute)
        return said

    style = phrase(rng, "style", a.style) if a.style != "none" and named("style") else ""
    time = phrase(rng, "time", a.time) if named("time") else ""
    land = phrase(rng, "land", a.land) if named("land") else ""
    thing = thing_phrase(rng, a) if a.thing != "none" and named("thing") else ""
    weather = phrase(rng, "weather", a.weather) if a.weather != "clear" and named("weather") else ""
    if a.weather == "clear" and a.time != "storm" and rng.random() < .08:
        weather = phrase(rng, "weather", "clear")
    celestial = phrase(rng, "celestial", a.celestial) if a.celestial != "none" and named("celestial") else ""
    parts, form = [style, time, land, thing, weather, celestial], rng.random()
    if form < .4:
        text = keywords(rng, parts)
    elif form < .65:
        text = loose(rng, parts)
    else:
        text = sentence(rng, *parts)
    return distract(rng, text) if rng.random() < .35 else text


def keywords(rng, parts):
    parts = [p for p in parts if p]
    rng.shuffle(parts)
    return (", " if rng.random() < .7 else " ").join(parts)


def loose(rng, parts):
    """All parts in any order, joined by small words, as people type while they think."""
    parts = [p for p in parts if p]
    rng.shuffle(parts)
    joints = (" ", " and ", " with ", " in ", " at ", ", ", " under ", " over ", " near the ", " behind a ", " full of ")
    text = OPENINGS[rng.integers(len(OPENINGS))]
    for k, part in enumerate(parts):
        text += (joints[rng.integers(len(joints))] if k else "") + part
    return text


def sentence(rng, style, time, land, thing, weather, celestial):
    prepositions = ("in the ", "in ", "on the ", "by the ", "with ", "near the ")
    text = OPENINGS[rng.integers(len(OPENINGS))]
    if style and rng.random() < .6:
        text, style = style + " " + text, ""
    place = thing
    if land:
        place = f"{thing} {prepositions[rng.integers(6)]}{land}" if thing else land
    text += place
    if time:
        text += (" at " if rng.random() < .6 else ", ") + time
    if celestial:
        text += (" under the ", " with ", ", ")[rng.integers(3)] + celestial
    if weather:
        text += (" with ", " in the ", ", ")[rng.integers(3)] + weather
    if style:
        text += (", ", " in the style of ", " ")[rng.integers(3)] + style
    return text.strip(" ,")


def distract(rng, text):
    """Adds words without meaning, known and unknown ones, so that the model learns to ignore them."""
    words = text.split(" ")
    for _ in range(rng.integers(0, 3)):
        extra = FILLERS[rng.integers(len(FILLERS))] if rng.random() < .6 else UNKNOWN
        words.insert(rng.integers(len(words) + 1), extra)
    return " ".join(words)
