"""Photographs that come with scikit-image, for the evaluation only (never for training)."""
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "camera.png", "motorcycle_left.png", "coins.png")


def photographs(size=256):
    """Those that the installed package contains, as a list of uint8 [size, size, 3], centre crops."""
    import skimage
    folder, pictures = Path(skimage.__file__).parent / "data", []
    for name in NAMES:
        if (folder / name).exists():
            image = Image.open(folder / name).convert("RGB")
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.LANCZOS)
            pictures.append(np.asarray(image))
    return pictures
