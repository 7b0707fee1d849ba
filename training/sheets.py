"""Contact sheets: rows of pictures with captions above.

    python -m training.sheets --work DIR --model few_step --out FOLDER
"""
import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from . import common
from .autoencoder import to_tensor
from .autoencoder_net import Decoder, Encoder, LightDecoder
from .diffusion import load_models
from .frames import camera_frame
from .sampling import T_INDEX, encode_texts, image_t_index, make_noises, sample, sample_ddim

PROMPTS = [
    ["mountains at dawn, sun", "a sailboat on the sea at sunset, sun", "forest at night, crescent moon",
     "city by night, full moon", "a green cactus in the desert on a sunny day", "volcano in a storm, rain",
     "red house on the hills under the northern lights", "windmill in a field, autumn, clouds"],
    ["a castle on a hill at night, full moon", "lighthouse by the sea, fog, dawn", "snowy forest with a cabin, winter",
     "hot air balloon over the mountains, clouds", "neon city, synthwave", "black and white forest, mist",
     "a rocket in the desert at night", "rainbow over the meadow, tree"],
    ["big red mushroom in the woods", "three tents, mountains, aurora", "pink tree, spring, hills, sun",
     "palm tree on the beach, sea, sunset", "sepia city with clouds", "pastel desert, sun, cactus",
     "blue lighthouse, storm, sea", "purple balloon, city, dawn"],
]
FRAME_PROMPTS = ["mountains at sunset", "city by night, full moon", "snowy forest, winter", "sea at sunset, sun",
                 "volcano in a storm", "hills by day, clouds", "desert at dawn, sun", "castle, hills, night"]


def load_autoencoder(work):
    """Loads the encoder and the decoder, the light one if there is one."""
    encoder, light = Encoder(), (work / "decoder.pt").exists()
    state = common.load(work / "autoencoder.pt")
    encoder.load_state_dict(state["encoder"])
    decoder = LightDecoder() if light else Decoder()
    decoder.load_state_dict(common.load(work / "decoder.pt")["decoder"] if light else state["decoder"])
    return encoder.eval(), decoder.eval()


@torch.no_grad()
def to_pictures(decoder, latents):
    """Decodes latents to uint8 [B, H, W, 3]."""
    output = torch.cat([decoder(z) for z in latents.split(8)]).clamp(-1, 1)
    return ((output + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def grid(rows, titles, path, size=160):
    """Writes rows of pictures (uint8 arrays) as one PNG or JPEG."""
    sheet = Image.new("RGB", (len(rows[0]) * size, len(rows) * size + 14), "white")
    draw = ImageDraw.Draw(sheet)
    for k, title in enumerate(titles):
        draw.text((k * size + 2, 1), title[:size // 6], fill="black")
    for j, row in enumerate(rows):
        for k, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture).resize((size, size), Image.LANCZOS), (k * size, j * size + 14))
    sheet.save(path, quality=88)


def text_sheets(models, decoder, out, tag, many_steps=False):
    unet, text_encoder = models
    for number, prompts in enumerate(PROMPTS):
        text, nothing = encode_texts(text_encoder, prompts), encode_texts(text_encoder, [""] * len(prompts))
        noises = make_noises((len(prompts), 16, 16, 16), 4, 7 + number)
        rows = [to_pictures(decoder, sample(unet, text, T_INDEX[n], noises)) for n in (1, 2, 4)]
        if many_steps:
            rows.append(to_pictures(decoder, sample_ddim(unet, text, noises[0], 25, 2., nothing)))
        grid(rows, prompts, out / f"{tag}-text-{number}.png")


def frame_sheet(models, encoder, decoder, out, tag, frames):
    unet, text_encoder = models
    text = encode_texts(text_encoder, FRAME_PROMPTS)
    with torch.no_grad():
        z = encoder(to_tensor(frames))
    noises = make_noises(z.shape, 4, 3)
    rows = [list(frames), to_pictures(decoder, z)]
    for strength, steps in ((.5, 1), (.6, 2), (.7, 2), (.8, 2), (.8, 4)):
        rows.append(to_pictures(decoder, sample(unet, text, image_t_index(strength, steps), noises, start=z)))
    grid(rows, FRAME_PROMPTS, out / f"{tag}-frames.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="few_step", help="few_step or diffusion")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    common.setup()
    encoder, decoder = load_autoencoder(options.work)
    models = load_models(options.work / f"{options.model}.pt")
    options.out.mkdir(parents=True, exist_ok=True)
    text_sheets(models, decoder, options.out, options.model, many_steps=options.model == "diffusion")
    rng = np.random.default_rng(12345)
    frames = np.stack([camera_frame(rng) for _ in FRAME_PROMPTS])
    frame_sheet(models, encoder, decoder, options.out, options.model, frames)


if __name__ == "__main__":
    main()
