"""Styles that change the colours of a finished picture."""
import numpy as np

LUMINANCE = np.array([.299, .587, .114], np.float32)
NEON = np.array([(.04, .0, .16), (.42, .0, .62), (1., .1, .6), (.1, .95, 1.)], np.float32)


def neon(picture, grey):
    position = np.clip(grey * 1.15, 0, 1) * 3
    index = np.clip(position.astype(int), 0, 2)
    t = position - index
    ramp = NEON[index[..., 0]] * (1 - t) + NEON[index[..., 0] + 1] * t
    return ramp * .75 + picture * .25


def apply_style(picture: np.ndarray, style: str) -> np.ndarray:
    """uint8 [H, W, 3] to uint8 [H, W, 3]. The seasons colour leaves and ground too (scenes.World)."""
    if style == "none":
        return picture
    p = picture.astype(np.float32) / 255
    grey = (p @ LUMINANCE)[..., None]
    if style == "pastel":
        p = .44 + .56 * (grey + (p - grey) * .85)
    elif style == "neon":
        p = neon(p, grey)
    elif style == "sepia":
        p = grey * np.array([1.08, .88, .64], np.float32) + np.array([.09, .05, .0], np.float32)
    elif style == "mono":
        p = np.repeat((grey - .5) * 1.12 + .5, 3, 2)
    elif style == "autumn":
        p = p * np.array([1.07, .96, .82], np.float32)
    elif style == "winter":
        p = p * np.array([.93, 1., 1.06], np.float32) + np.array([.01, .02, .04], np.float32)
    elif style == "spring":
        p = p * np.array([1.02, 1.02, .98], np.float32) + np.array([.03, .02, .02], np.float32)
    return (np.clip(p, 0, 1) * 255 + .5).astype(np.uint8)
