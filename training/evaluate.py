"""Measures an exported model folder and draws its contact sheets.

    python -m training.evaluate --work DIR --model models/starter --out DIR/evaluation

It covers text to image on held-out captions, image to image on camera-like frames and photographs, video, guidance,
negative prompts and sharpness. Writes figures.json and sheets; uses DIR/judge.pt and the exported ONNX nets.
"""
import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from . import common
from .attributes import JUDGED, sample_attributes
from .captions import caption, phrase
from .control_maps import KINDS, as_input, control_maps, control_picture, luminance, soft_edges
from .figures import figure_frame
from .frames import camera_frame
from .judge import judge_pictures, load_judge
from .onnx_pipeline import OnnxPipeline, noises
from .pairs import correlation, pooled_luminance
from .photographs import photographs
from .sampling import T_INDEX, image_t_index
from .shards import load_shard, shard_numbers
from .sheets import FRAME_PROMPTS, PROMPTS, grid
from .styles import LUMINANCE

CAPTION_SEED, FRAME_SEED, SHAPE_SEED = 20260, 20261, 20263     # never used in training
CONTROL_PROMPTS = ("hills at sunset", "night, aurora, snow, mountains", "autumn forest by day")


def held_out_captions(count, thing_probability=.72):
    rng = np.random.default_rng(CAPTION_SEED)
    attributes = [sample_attributes(rng, thing_probability) for _ in range(count)]
    return [caption(rng, a, mention=1.) for a in attributes], attributes


def accuracy(judge, pictures, attributes):
    """Share of pictures with the right class, over the captions that mention something of that kind."""
    verdict, result = judge_pictures(judge, pictures), {}
    for name, values in JUDGED.items():
        wanted = np.array([values.index(getattr(a, name)) for a in attributes])
        mentioned = np.ones(len(wanted), bool) if name in ("time", "land") else wanted != 0
        result[name] = round(float((verdict[name] == wanted)[mentioned].mean()), 3)
    return result


def sharpness(pictures):
    """Mean absolute luminance gradient."""
    grey = pictures.astype(np.float32) @ LUMINANCE / 255
    return float(np.abs(np.diff(grey, axis=1)).mean() + np.abs(np.diff(grey, axis=2)).mean()) / 2


def text_to_image(pipeline, judge, captions, attributes, reference):
    text, figures = pipeline.encode_texts(captions), {}
    for steps, t_index in T_INDEX.items():
        z = pipeline.sample(text, t_index, noises(pipeline.latent_shape(len(captions)), steps, 5))
        pictures = pipeline.decode(z)
        figures[f"{steps} steps"] = {**accuracy(judge, pictures, attributes),
                                     "sharpness": round(sharpness(pictures) / reference, 3)}
    return figures


def open_captions(pipeline, judge, count):
    """Captions without a time of day or a land: the commonest class and its share, and how often the other one is right."""
    figures, rng = {}, np.random.default_rng(CAPTION_SEED + 7)
    for open_name in ("time", "land"):
        attributes = [sample_attributes(rng) for _ in range(count)]
        said = [dataclasses.replace(a, weather="clear", celestial="none", style="none") for a in attributes]
        captions = [", ".join(p for p in (phrase(rng, name, getattr(a, name), 1.) for name in ("time", "land", "thing")
                                          if name != open_name and getattr(a, name) != "none")) for a in said]
        drawn = noises(pipeline.latent_shape(count), 2, 13)
        verdict = judge_pictures(judge, pipeline.decode(pipeline.sample(pipeline.encode_texts(captions), T_INDEX[2], drawn)))
        shares = np.bincount(verdict[open_name], minlength=len(JUDGED[open_name])) / count
        other = "land" if open_name == "time" else "time"
        right = np.mean([JUDGED[other][k] == getattr(a, other) for k, a in zip(verdict[other], attributes)])
        figures[f"no {open_name}"] = {"commonest": JUDGED[open_name][shares.argmax()], "share": round(float(shares.max()), 3),
                                      other: round(float(right), 3)}
    return figures


def guidance_figures(pipeline, judge, captions, attributes):
    """Two steps with guidance 1 to 2; and how often "hills" gives its commonest time of day, also with that as negative prompt."""
    text, figures = pipeline.encode_texts(captions), {}
    nothing = pipeline.encode_texts([""] * len(captions))
    drawn = noises(pipeline.latent_shape(len(captions)), 2, 6)
    for guidance in (1., 1.5, 2.):
        pictures = pipeline.decode(pipeline.sample(text, T_INDEX[2], drawn, guidance=guidance, negative=nothing))
        figures[f"guidance {guidance}"] = accuracy(judge, pictures, attributes)
    hills = pipeline.encode_texts(["hills"] * len(captions))

    def times(negative):
        """Shares of the times of day in pictures of "hills"."""
        pictures = pipeline.decode(pipeline.sample(hills, T_INDEX[2], drawn, guidance=1.5, negative=negative))
        return np.bincount(judge_pictures(judge, pictures)["time"], minlength=len(JUDGED["time"])) / len(pictures)

    free = times(nothing)
    most = JUDGED["time"][free.argmax()]
    against = times(pipeline.encode_texts([most] * len(captions)))
    figures["times of 'hills'"] = {name: round(float(share), 3) for name, share in zip(JUDGED["time"], free)}
    figures[f"{most} with negative '{most}'"] = round(float(against[free.argmax()]), 3)
    return figures


def camera_frames(count):
    """Camera-like frames and, at the end, photographs: uint8 [count, 256, 256, 3]."""
    rng, photos = np.random.default_rng(FRAME_SEED), photographs()
    return np.stack([camera_frame(rng) for _ in range(count - len(photos))] + photos), len(photos)


def image_to_image(pipeline, judge, count, reference):
    frames, photos = camera_frames(count)
    captions, attributes = held_out_captions(count, thing_probability=.4)
    text, z, figures = pipeline.encode_texts(captions), pipeline.encode(frames), {}
    for strength in (.6, .7, .8):
        drawn = noises(z.shape, 2, 8)
        pictures = pipeline.decode(pipeline.sample(text, image_t_index(strength, 2), drawn, start=z))
        follow = [correlation(pooled_luminance(a), pooled_luminance(b)) for a, b in zip(frames, pictures)]
        figures[f"strength {strength}"] = {
            **accuracy(judge, pictures, attributes), "correlation": round(float(np.mean(follow)), 3),
            "correlation on photographs": round(float(np.mean(follow[-photos:])), 3) if photos else None,
            "sharpness": round(sharpness(pictures) / reference, 3)}
    return figures


def edge_agreement(frames, pictures):
    """Mean correlation of the edges of frames and pictures, on a grid of 4 × 4 pixels."""
    lines = lambda p: np.asarray(Image.fromarray(soft_edges(luminance(p))).reduce(4), np.float32)
    return float(np.mean([correlation(lines(a), lines(b)) for a, b in zip(frames, pictures)]))


def controlled(pipeline, judge, count):
    """Visitors with and without the control branch, two steps: how well pictures fit the prompt and keep the outline."""
    rng = np.random.default_rng(SHAPE_SEED)
    shown = [figure_frame(rng) for _ in range(count)]
    frames, maps = np.stack([frame for frame, _ in shown]), [control_maps(rng, *pair) for pair in shown]
    captions, attributes = held_out_captions(count, thing_probability=.3)
    text, z, figures = pipeline.encode_texts(captions), pipeline.encode(frames), {}
    choices = {"without": None}
    if pipeline.residuals:
        choices |= {kind: as_input(np.stack([control_picture(*pair, kind) for pair in zip(frames, maps)])) for kind in KINDS}
    for strength in (.7, .8, .9, .95):
        drawn = noises(z.shape, 2, 12)
        for name, control in choices.items():
            pictures = pipeline.decode(pipeline.sample(text, image_t_index(strength, 2), drawn, start=z, control=control))
            found = accuracy(judge, pictures, attributes)
            follow = np.mean([correlation(pooled_luminance(a), pooled_luminance(b)) for a, b in zip(frames, pictures)])
            figures[f"strength {strength}, {name}"] = {"time": found["time"], "land": found["land"], "correlation": round(float(follow), 3),
                                                       "edges": round(edge_agreement(frames, pictures), 3)}
    return figures


def video(pipeline):
    """A still input twice, and a pan of one pixel per frame: the output's change relative to the input's."""
    rng, ratios, same = np.random.default_rng(FRAME_SEED + 1), [], True
    text = pipeline.encode_texts(["mountains at sunset, sun"])
    drawn = noises(pipeline.latent_shape(1), 2, 9)
    for _ in range(6):
        image = Image.fromarray(np.concatenate([camera_frame(rng)] * 2, 1))
        wide = np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)))     # noise would count as movement
        frames = np.stack([wide[:, k:k + 256] for k in range(8)])
        pictures = np.concatenate([pipeline.decode(pipeline.sample(
            text, image_t_index(.7, 2), drawn, start=pipeline.encode(f[None]))) for f in frames])
        again = pipeline.decode(pipeline.sample(text, image_t_index(.7, 2), drawn, start=pipeline.encode(frames[:1])))
        same &= bool((again[0] == pictures[0]).all())
        change = lambda p: float(np.abs(np.diff(p.astype(np.float32), axis=0)).mean())
        ratios.append(change(pictures) / max(change(frames), 1e-3))
    return {"still frames identical": same, "pan, change of output / input": round(float(np.median(ratios)), 2)}


def psnr(pipeline, pictures):
    """Mean PSNR of the reconstructions, dB."""
    difference = (pipeline.decode(pipeline.encode(pictures)).astype(np.float32) - pictures) / 255
    return round(float(np.mean(-10 * np.log10((difference ** 2).mean((1, 2, 3))))), 2)


def autoencoder(pipeline, scenes):
    return {"scenes, dB": psnr(pipeline, scenes[:200]), "photographs, dB": psnr(pipeline, np.stack(photographs()))}


def draw_sheets(pipeline, out):
    for number, prompts in enumerate(PROMPTS):
        drawn = noises(pipeline.latent_shape(len(prompts)), 4, 7 + number)
        rows = [pipeline.decode(pipeline.sample(pipeline.encode_texts(prompts), T_INDEX[n], drawn)) for n in (1, 2, 4)]
        grid(rows, prompts, out / f"text-{number}.jpg")
    frames, _ = camera_frames(60)
    for number, chosen in enumerate((frames[:8], frames[-8:])):
        z = pipeline.encode(chosen)
        drawn, text = noises(z.shape, 2, 3), pipeline.encode_texts(FRAME_PROMPTS)
        rows = [chosen] + [pipeline.decode(pipeline.sample(text, image_t_index(s, 2), drawn, start=z)) for s in (.6, .7, .8)]
        grid(rows, FRAME_PROMPTS, out / f"frames-{number}.jpg")


def draw_control_sheet(pipeline, out):
    """Draws visitors and two photographs, their outlines, and three prompts at strength .8 without and with the outlines."""
    rng = np.random.default_rng(SHAPE_SEED + 2)
    shown = [figure_frame(rng) for _ in range(5)]
    frames = np.stack([frame for frame, _ in shown] + photographs()[:6:5])
    maps = np.stack([control_picture(frame, control_maps(rng, frame, figure), "silhouette") for frame, figure in shown] +
                    [soft_edges(luminance(p)) for p in frames[len(shown):]])
    control, z = as_input(maps), pipeline.encode(frames)
    drawn, rows = noises(z.shape, 2, 12), [frames, np.repeat(maps[..., None], 3, 3)]
    for prompt in CONTROL_PROMPTS:
        text = pipeline.encode_texts([prompt] * len(frames))
        rows += [pipeline.decode(pipeline.sample(text, image_t_index(.8, 2), drawn, start=z, control=c)) for c in (None, control)]
    grid(rows, [""] * len(frames), out / "control.jpg")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    common.setup()
    options.out.mkdir(parents=True, exist_ok=True)
    pipeline, judge = OnnxPipeline(options.model), load_judge(options.work)
    draw_sheets(pipeline, options.out)
    if pipeline.residuals:
        draw_control_sheet(pipeline, options.out)
    numbers = shard_numbers(options.work, "scenes", held_out=True)
    scenes = load_shard(options.work, "scenes", numbers[-1])[0]
    reference = sharpness(scenes)
    captions, attributes = held_out_captions(options.count)
    figures = {
        "autoencoder": autoencoder(pipeline, scenes),
        "text to image": text_to_image(pipeline, judge, captions, attributes, reference),
        "guidance": guidance_figures(pipeline, judge, captions[:200], attributes[:200]),
        "image to image": image_to_image(pipeline, judge, min(200, options.count), reference),
        "control": controlled(pipeline, judge, min(100, options.count)),
        "captions that leave things open": open_captions(pipeline, judge, min(200, options.count)),
        "video": video(pipeline),
    }
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
