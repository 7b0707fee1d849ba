"""Photographs that come with Python packages, for the evaluation only (never for training, never in the repository)."""
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

# Public domain or Creative Commons; see the packages' own notes.
FILES = {
    "skimage": ("data/astronaut.png", "data/coffee.png", "data/chelsea.png", "data/rocket.jpg", "data/camera.png",
                "data/motorcycle_left.png", "data/coins.png"),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
    "pywt": ("data/ascent.npz",),
}


def load(path):
    if path.suffix == ".npz":
        return Image.fromarray(np.load(path)["data"].astype(np.uint8)).convert("RGB")
    return Image.open(path).convert("RGB")


def photographs(size=256):
    """The photographs in the installed packages, centre crops, as a list of uint8 [size, size, 3]."""
    pictures = []
    for package, names in FILES.items():
        spec = importlib.util.find_spec(package)
        for path in (Path(spec.origin).parent / name for name in names if spec):
            if path.exists():
                image = load(path)
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.LANCZOS)
                pictures.append(np.asarray(image))
    return pictures
