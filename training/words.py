"""The words that the model knows: the phrases for every attribute value, and words without meaning.

    python -m training.words        # prints the vocabulary
"""
import re

PHRASES = {
    "time": {
        "dawn": "dawn, sunrise, daybreak, early morning, first light, morning, at break of day",
        "day": "day, noon, midday, daytime, daylight, afternoon, sunny day, bright day, blue sky, broad daylight",
        "sunset": "sunset, dusk, evening, sundown, twilight, golden hour, nightfall, red sky",
        "night": "night, midnight, nighttime, starry night, dark night, stars, starlight, nocturnal, darkness",
        "storm": "storm, thunderstorm, lightning, thunder, tempest, stormy, gloomy, stormy weather, gale, windy, hurricane",
        "aurora": "aurora, northern lights, polar lights, aurora borealis, arctic lights",
    },
    "land": {
        "mountains": "mountains, mountain, peaks, alps, alpine, summit, mountain range, rocky peaks, cliffs, cliff, hill top, canyon, rocks",
        "hills": "hills, hill, rolling hills, meadow, grassland, countryside, pasture, valley, grass, green hills, meadows, lawn, moor",
        "sea": "sea, ocean, seaside, water, waves, coast, seascape, bay, lake, shore, island, "
               "harbour, harbor, reef, lagoon, blue water",
        "desert": "desert, dunes, sand, sahara, sandy desert, wasteland, dune, arid, oasis",
        "forest": "forest, woods, woodland, pines, jungle, pine forest, firs, wood, taiga, rainforest, grove",
        "city": "city, skyline, town, skyscrapers, buildings, downtown, metropolis, towers, urban, street, road, streets",
        "volcano": "volcano, lava, eruption, volcanic, erupting volcano, magma, crater",
        "field": "field, fields, farmland, crops, flower field, farm, plantation, flowers, rows of flowers, furrows, "
                 "garden, gardens, park, vineyard, lavender",
        "beach": "beach, seashore, sandy beach, tropical beach, sandy shore, seafront",
        "river": "river, stream, brook, creek, riverside, canal, winding river, riverbank",
    },
    "thing": {
        "tree": "tree, oak, maple, apple tree, trees, bush", "palm": "palm, palm tree, palms, coconut tree",
        "house": "house, cottage, cabin, home, hut, houses, barn, villa, farmhouse, village",
        "lighthouse": "lighthouse, beacon, light tower, lighthouses",
        "boat": "boat, sailboat, ship, sailing boat, yacht, boats, ships, sail",
        "castle": "castle, palace, fortress, castles, citadel, chateau",
        "cactus": "cactus, cacti, saguaro, cactuses", "windmill": "windmill, mill, windmills, wind mill",
        "balloon": "balloon, hot air balloon, balloons, airship, hot balloon",
        "tent": "tent, camp, camping, tents, campsite, tipi",
        "mushroom": "mushroom, toadstool, mushrooms, fungus, toadstools",
        "rocket": "rocket, spaceship, spacecraft, rockets, rocket ship, space rocket",
        "church": "church, chapel, cathedral, churches, temple, steeple",
        "bridge": "bridge, bridges, stone bridge, arch", "waterfall": "waterfall, waterfalls, cascade, cascades",
        "fire": "fire, campfire, bonfire, flames, flame, fires, burning",
        "pyramid": "pyramid, pyramids, egyptian pyramid", "cat": "cat, kitten, cats, kitty, pussycat",
        "bird": "bird, birds, eagle, seagull, gull, dove, parrot, owl, raven", "flower": "flower, sunflower, daisy, tulip, blossoms, poppy",
        "person": "person, man, woman, girl, boy, human, people, child, figure, someone, dancer, hiker",
        "planet": "planet, saturn, planets, jupiter, ringed planet",
    },
    "colour": {
        "red": "red, crimson, scarlet, ruby", "orange": "orange, tangerine, amber", "yellow": "yellow, golden, lemon",
        "green": "green, emerald, lime", "blue": "blue, azure, cobalt, navy", "purple": "purple, violet, lilac",
        "pink": "pink, rose, rosy, magenta", "white": "white, ivory, pale", "black": "black, ebony, charcoal",
    },
    "weather": {
        "clear": "clear sky, cloudless, clear, fine weather",
        "clouds": "clouds, cloudy, overcast, cloud, puffy clouds", "rain": "rain, rainy, raining, drizzle, downpour, wet",
        "snow": "snow, snowfall, snowing, snowy, snowflakes, blizzard, flurries", "fog": "fog, mist, foggy, misty, haze, hazy",
        "rainbow": "rainbow, rainbows, colourful rainbow, colorful rainbow",
    },
    "celestial": {
        "sun": "sun, sunny, sunshine, sunlight, bright sun", "moon": "moon, full moon, moonlight, moonlit, round moon",
        "crescent": "crescent, crescent moon, half moon, sickle moon, new moon, waning moon",
    },
    "style": {
        "pastel": "pastel, soft colours, soft colors, pale colours, dreamy, pastels",
        "neon": "neon, synthwave, cyberpunk, vaporwave, retrowave, psychedelic, futuristic",
        "sepia": "sepia, vintage, old photograph, antique, brown tones, nostalgic, retro",
        "mono": "black and white, monochrome, grayscale, greyscale, colourless, noir, gray, grey",
        "spring": "spring, blossom, cherry blossom, springtime, blooming, sakura, blossoming",
        "autumn": "autumn, fall, autumnal, october, falling leaves, november, harvest",
        "winter": "winter, wintry, icy, frozen, frost, cold, ice, christmas, january, frosty, snow covered",
        "watercolour": "watercolour, watercolor, aquarelle, watercolour painting, watercolor painting, gouache",
        "ink": "ink, ink drawing, ink wash, sumi, pen and ink, calligraphy, sketch, brush drawing",
        "pixel": "pixel, pixel art, pixelated, pixels, mosaic, eight bit, voxel",
        "swirls": "swirls, van gogh, vincent van gogh, swirling, impressionist, expressionist, oil painting, brush strokes",
        "woodcut": "woodcut, woodblock, linocut, engraving, block print, woodblock print, hatching, etching",
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
time light dark bright colour color coloured colored season weather sky land nature world summer warm hot vivid
very full old ancient modern lonely alone standing my your this that please show me make draw paint i you we want see like would can could where while here its be are was so and
or but only just really more most much gentle soft strong clean crisp sharp lit glowing bright colourful colorful
vibrant epic stunning amazing best award winning trending digital render concept hd uhd resolution detail intricate fine
mood atmosphere atmospheric serene tranquil mysterious distance foreground background horizon top bottom
across through around along above beyond towards inside outside surrounded covered""".split()

PHRASES = {attribute: {value: text.split(", ") for value, text in values.items()}
           for attribute, values in PHRASES.items()}
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
MAX_LENGTH = 24
# The plural words of a thing; singular words mean one.
PLURALS = {"tree": "trees", "palm": "palms", "house": "houses, village, hamlet, houses", "lighthouse": "lighthouses", "boat": "boats",
           "castle": "castles", "cactus": "cacti", "windmill": "windmills", "balloon": "balloons", "tent": "tents",
           "mushroom": "mushrooms", "rocket": "rockets", "church": "churches", "bridge": "bridges", "waterfall": "waterfalls",
           "fire": "fires", "pyramid": "pyramids", "cat": "cats", "bird": "birds, flock of birds", "flower": "blossoms, sunflowers",
           "person": "people, crowd", "planet": "planets"}
PLURALS = {thing: text.split(", ") for thing, text in PLURALS.items()}


def split_words(text):
    return re.findall(r"[a-z]+", text.lower())


def vocabulary():
    """Word -> id; the special tokens first, then all words in alphabetical order."""
    phrases = (p for values in PHRASES.values() for options in values.values() for p in options)
    plurals = (p for options in PLURALS.values() for p in options)
    words = {word for phrase in [*phrases, *plurals] for word in split_words(phrase)} | set(FILLERS)
    return {word: k for k, word in enumerate(SPECIAL + sorted(words))}


VOCABULARY = vocabulary()


def synonyms(word):
    """Words that mean the same as `word` on their own; none for fillers and for words that are only parts of phrases."""
    return {other for values in PHRASES.values() for options in values.values() if word in options
            for other in options if other != word and " " not in other}


def tokenize(text, vocabulary=VOCABULARY):
    """Ids of fixed length: <s>, the words (<unk> for unknown ones), </s>, padding."""
    ids = [vocabulary.get(w, 1) for w in split_words(text)][:MAX_LENGTH - 2]
    ids = [vocabulary["<s>"], *ids, vocabulary["</s>"]]
    return ids + [0] * (MAX_LENGTH - len(ids))


if __name__ == "__main__":
    print(len(VOCABULARY), "words:", " ".join(VOCABULARY))
