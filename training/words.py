"""The words that the model knows: for every attribute value the phrases that mean it, and words that mean nothing.

    python -m training.words        # prints the vocabulary
"""
import re

PHRASES = {
    "time": {
        "dawn": "dawn, sunrise, daybreak, early morning, first light, morning, at break of day",
        "day": "day, noon, midday, daytime, daylight, afternoon, bright day, blue sky, broad daylight",
        "sunset": "sunset, dusk, evening, sundown, twilight, golden hour, nightfall, red sky",
        "night": "night, midnight, nighttime, starry night, dark night, stars, starlight, nocturnal, darkness",
        "storm": "storm, thunderstorm, lightning, thunder, tempest, stormy, gloomy, stormy weather, gale",
        "aurora": "aurora, northern lights, polar lights, aurora borealis, arctic lights",
    },
    "land": {
        "mountains": "mountains, mountain, peaks, alps, alpine, summit, mountain range, rocky peaks, cliffs",
        "hills": "hills, hill, rolling hills, meadow, grassland, countryside, pasture, valley, grass, green hills",
        "sea": "sea, ocean, seaside, water, waves, coast, seascape, bay, lake, shore, island",
        "desert": "desert, dunes, sand, sahara, sandy desert, wasteland, pyramids, dune, arid",
        "forest": "forest, woods, woodland, pines, jungle, pine forest, firs, wood, taiga",
        "city": "city, skyline, town, skyscrapers, buildings, downtown, metropolis, towers, urban, street",
        "volcano": "volcano, lava, eruption, volcanic, erupting volcano, magma, crater",
        "field": "field, fields, farmland, crops, flower field, farm, plantation, flowers, rows of flowers, furrows",
    },
    "thing": {
        "tree": "tree, oak, maple, apple tree, trees, bush", "palm": "palm, palm tree, palms, coconut tree",
        "house": "house, cottage, cabin, home, hut, houses, barn, villa",
        "lighthouse": "lighthouse, beacon, light tower, lighthouses",
        "boat": "boat, sailboat, ship, sailing boat, yacht, boats, ships, sail",
        "castle": "castle, palace, fortress, castles, citadel, chateau",
        "cactus": "cactus, cacti, saguaro, cactuses", "windmill": "windmill, mill, windmills, wind mill",
        "balloon": "balloon, hot air balloon, balloons, airship, hot balloon",
        "tent": "tent, camp, camping, tents, campsite, tipi",
        "mushroom": "mushroom, toadstool, mushrooms, fungus, toadstools",
        "rocket": "rocket, spaceship, spacecraft, rockets, rocket ship, space rocket",
    },
    "colour": {
        "red": "red, crimson, scarlet, ruby", "orange": "orange, tangerine, amber", "yellow": "yellow, golden, lemon",
        "green": "green, emerald, lime", "blue": "blue, azure, cobalt, navy", "purple": "purple, violet, lilac",
        "pink": "pink, rose, rosy, magenta", "white": "white, ivory, pale", "black": "black, ebony, charcoal",
    },
    "weather": {
        "clear": "clear sky, cloudless, clear, fine weather",
        "clouds": "clouds, cloudy, overcast, cloud, puffy clouds", "rain": "rain, rainy, raining, drizzle, downpour, wet",
        "snow": "snow, snowfall, snowing, snowflakes, blizzard, flurries", "fog": "fog, mist, foggy, misty, haze, hazy",
        "rainbow": "rainbow, rainbows, colourful rainbow, colorful rainbow",
    },
    "celestial": {
        "sun": "sun, sunny, sunshine, sunlight, bright sun", "moon": "moon, full moon, moonlight, moonlit, round moon",
        "crescent": "crescent, crescent moon, half moon, sickle moon, new moon, waning moon",
    },
    "style": {
        "pastel": "pastel, soft colours, soft colors, pale colours, dreamy, watercolour, watercolor",
        "neon": "neon, synthwave, cyberpunk, vaporwave, retrowave, psychedelic, futuristic",
        "sepia": "sepia, vintage, old photograph, antique, brown tones, nostalgic, retro",
        "mono": "black and white, monochrome, grayscale, greyscale, colourless, ink, noir, gray, grey",
        "spring": "spring, blossom, cherry blossom, springtime, blooming, sakura, blossoming",
        "autumn": "autumn, fall, autumnal, october, falling leaves, november, harvest",
        "winter": "winter, wintry, icy, frozen, frost, cold, ice, christmas, january, frosty",
    },
    "size": {"big": "big, large, huge, giant, tall, great, enormous", "small": "small, little, tiny, distant, far, mini"},
    "side": {"left": "left, on the left, left side", "middle": "middle, in the middle, centre, center, in the center",
             "right": "right, on the right, right side"},
    "several": {"several": "two, several, many, some, three, group of, pair of, few"},
}
FILLERS = """a an the of with at in on and by under over near next to from into is it there one single beautiful nice
pretty lovely scenic picture photo photograph painting illustration drawing image landscape scene scenery view art
artwork poster wallpaper background flat style vector minimal minimalist simple detailed high quality best masterpiece
cinematic dramatic calm peaceful quiet magical fantasy cosy cozy wide panorama behind above below front beside during
time light dark bright colour color coloured colored season weather sky land nature world planet summer warm hot vivid
very full old ancient modern lonely alone standing my your this that please show me make draw paint""".split()

PHRASES = {attribute: {value: text.split(", ") for value, text in values.items()}
           for attribute, values in PHRASES.items()}
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
MAX_LENGTH = 24
# A plural for "several" of a thing; singular words for one.
PLURALS = {"tree": "trees", "palm": "palms", "house": "houses", "lighthouse": "lighthouses", "boat": "boats",
           "castle": "castles", "cactus": "cacti", "windmill": "windmills", "balloon": "balloons", "tent": "tents",
           "mushroom": "mushrooms", "rocket": "rockets"}


def split_words(text):
    return re.findall(r"[a-z]+", text.lower())


def vocabulary():
    """Word -> id; the special tokens first, then all words in alphabetical order."""
    phrases = (p for values in PHRASES.values() for options in values.values() for p in options)
    words = {word for phrase in phrases for word in split_words(phrase)} | set(FILLERS)
    return {word: k for k, word in enumerate(SPECIAL + sorted(words))}


VOCABULARY = vocabulary()


def tokenize(text):
    """Ids of fixed length: <s>, the words (<unk> for unknown ones), </s>, padding."""
    ids = [VOCABULARY.get(w, 1) for w in split_words(text)][:MAX_LENGTH - 2]
    ids = [VOCABULARY["<s>"], *ids, VOCABULARY["</s>"]]
    return ids + [0] * (MAX_LENGTH - len(ids))


if __name__ == "__main__":
    print(len(VOCABULARY), "words:", " ".join(VOCABULARY))
