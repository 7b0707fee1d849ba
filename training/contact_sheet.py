"""Contact sheets of training data: the options of the programs that draw them, and the sheet itself."""
import argparse

import numpy as np
from PIL import Image


def sheet_options(doc):
    """Reads `--sheet FILE` and `--seed N`. @returns the file and numpy's generator"""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    return options.sheet, np.random.default_rng(options.seed)


def save_sheet(file, columns, samples, size):
    """Draws samples in rows of `columns`. A sample's pictures, uint8 [H, W, 3] each, are placed one below the other, `size` wide and high."""
    height = len(samples[0])
    sheet = Image.new("RGB", (columns * size, len(samples) // columns * height * size))
    for k, sample in enumerate(samples):
        for j, picture in enumerate(sample):
            place = k % columns * size, (k // columns * height + j) * size
            sheet.paste(Image.fromarray(picture).resize((size, size), Image.LANCZOS), place)
    sheet.save(file)
