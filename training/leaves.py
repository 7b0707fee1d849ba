"""Dead leaves: random overlapping shapes with the statistics of photographs (edges at all scales, soft shading)."""
import numpy as np
from PIL import Image, ImageDraw


def dead_leaves(rng, size=256) -> np.ndarray:
    """A random picture, uint8 [size, size, 3]."""
    base, spread = rng.integers(0, 256, 3), rng.uniform(15, 100)
    image = Image.new("RGB", (2 * size, 2 * size), tuple(int(v) for v in base))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(20, 220)):
        x, y = rng.uniform(0, 2 * size, 2)
        r = min(.7 * size, .018 * size / max(.02, rng.random()))
        fill = tuple(int(v) for v in np.clip(base + rng.normal(0, spread, 3), 0, 255))
        kind = rng.integers(4)
        if kind == 0:
            draw.ellipse([x - r, y - r * rng.uniform(.4, 1), x + r, y + r], fill=fill)
        elif kind == 1:
            draw.rectangle([x - r, y - r, x + r * .8, y + r * .6], fill=fill)
        elif kind == 2:
            draw.polygon([tuple(p) for p in np.array([x, y]) + rng.uniform(-1.4 * r, 1.4 * r, (4, 2))], fill=fill)
        else:
            draw.line([tuple(p) for p in np.array([x, y]) + rng.uniform(-3 * r, 3 * r, (3, 2))], fill=fill,
                      width=max(2, int(r * .2)))
    picture = np.asarray(image.reduce(2)).astype(np.float32)
    if rng.random() < .6:       # light and shadow
        picture *= 1 + .25 * soft_noise(rng, size, rng.integers(3, 9))[..., None]
    if rng.random() < .3:       # out of focus
        factor = int(rng.choice([2, 4]))
        small = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).reduce(factor)
        picture = np.asarray(small.resize((size, size), Image.BICUBIC)).astype(np.float32)
    if rng.random() < .5:       # texture and sensor noise
        picture += rng.normal(0, rng.uniform(1, 9), (size, size, 1))
    return np.clip(picture, 0, 255).astype(np.uint8)


def soft_noise(rng, size, knots):
    """Smooth random field [size, size] with unit variance at its knots."""
    field = Image.fromarray(rng.normal(0, 1, (knots, knots)).astype(np.float32))
    return np.asarray(field.resize((size, size), Image.BICUBIC))
