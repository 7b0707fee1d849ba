"""Trains the denoiser and text encoder: plain v-prediction diffusion, with image-to-image pairs.

    python -m training.diffusion --work DIR --steps 30000

A fifth of every batch is pairs: the noised latent of a camera-like frame, to be denoised to the scene that keeps its
layout. A tenth of the captions are empty, for guidance. Resumes from DIR/diffusion.pt; a larger --steps goes on
from there.
"""
import numpy as np
import torch

from . import common, schedule
from .latents import Latents, caption_ids
from .text_encoder import TextEncoder
from .unet import UNet

BATCH, PAIRS = 64, 12
PAIR_TIMES = (380, 880)
EDGES = ("conv_in", "conv_out", "time.", "text.", "embedding", "modulation")


def build():
    return UNet().to(memory_format=torch.channels_last), TextEncoder()


def load_models(path, average=True):
    """Loads the denoiser and text encoder of a checkpoint; `average` takes the moving averages."""
    unet, text_encoder = build()
    state = common.load(path)
    for module, name in ((unet, "unet"), (text_encoder, "text_encoder")):
        module.load_state_dict(state[name if average else "raw_" + name])
        module.eval()
    return unet, text_encoder


def noisy_batch(rng, scenes, pairs, times=1):
    """x_t, t, target v and caption ids; the pairs come last."""
    count, pair_count = (BATCH - PAIRS) * times, PAIRS * times
    z, records = scenes.batch(rng, count)
    t = ((torch.arange(count) + torch.rand(count)) / count * schedule.STEPS).long()
    x = schedule.add_noise(z, t)
    z_pair, pair_records = pairs.batch(rng, pair_count)
    t_pair = torch.randint(*PAIR_TIMES, (pair_count,))
    x_pair = schedule.add_noise(z_pair[:, 0], t_pair)
    x, t, x0 = torch.cat([x, x_pair]), torch.cat([t, t_pair]), torch.cat([z, z_pair[:, 1]])
    ids = caption_ids(rng, records + pair_records, drop=.1)
    return x.contiguous(memory_format=torch.channels_last), t, schedule.v_from_x0(x, x0, t), ids


@torch.no_grad()
def held_out_error(unet, text_encoder, scenes, count=256):
    """Mean squared v error on held-out scenes, for four ranges of t from clean to noise."""
    rng, generator, count = np.random.default_rng(7), common.generator(7), min(count, len(scenes))
    z, ids = scenes.z[:count].float(), caption_ids(rng, scenes.records[:count])
    t = torch.linspace(10, 999, count).long()
    x = schedule.add_noise(z, t, torch.randn(z.shape, generator=generator))
    error = []
    for part in torch.arange(count).split(64):
        with common.autocast():
            v = unet(x[part], t[part], text_encoder(ids[part]))
        error.append(((v.float() - schedule.v_from_x0(x[part], z[part], t[part])) ** 2).mean().item())
    return error


def main():
    options = common.parser(__doc__, steps=30000).parse_args()
    rng = common.setup(device=options.device)
    unet, text_encoder = build()
    optimiser = common.Optimiser([unet, text_encoder], adam_lr=1.5e-3, muon_lr=.01, edge_names=EDGES)
    average = common.Average(optimiser.parameters, .999)
    step, path = 0, options.work / "diffusion.pt"
    if path.exists():
        state = common.load(path)
        unet.load_state_dict(state.get("raw_unet", state["unet"]))
        text_encoder.load_state_dict(state.get("raw_text_encoder", state["text_encoder"]))
        if "optimiser" in state:        # not in a checkpoint that restore.py or pack.py made
            optimiser.load_state_dict(state["optimiser"])
            average.values, step = state["average"], state["step"]
        else:
            average = common.Average(optimiser.parameters, .999)
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
    scenes, pairs = Latents(options.work, "scenes"), Latents(options.work, "pairs")
    held_out = Latents(options.work, "scenes", held_out=True)
    print(f"{len(scenes)} scenes, {len(pairs)} pairs, from step {step}", flush=True)

    def save():
        average.swap()
        error = held_out_error(unet, text_encoder, held_out)
        smooth = {name: {k: v.clone() for k, v in module.state_dict().items()}
                  for name, module in (("unet", unet), ("text_encoder", text_encoder))}
        average.swap()
        print(f"step {step}  held-out v error by t:", " ".join(f"{e:.4f}" for e in error), flush=True)
        common.save_atomic({**smooth, "raw_unet": unet.state_dict(), "raw_text_encoder": text_encoder.state_dict(),
                            "optimiser": optimiser.state_dict(), "average": average.values, "step": step}, path)

    progress = common.Progress(options, 100)
    while progress.goes_on(step):
        x, t, target, ids = noisy_batch(rng, scenes, pairs, options.times)
        with common.autocast():
            v = unet(x, t, text_encoder(ids))
        error = ((v.float() - target) ** 2).mean((1, 2, 3))
        optimiser.step(error.mean(), common.learning_rate(step, progress.done(step)))
        step += 1
        average.update(step)
        progress.add(step, len(x), scenes=error[:-PAIRS * options.times].mean(), pairs=error[-PAIRS * options.times:].mean())
        if progress.checkpoint_due():
            save()
    if progress.steps:
        save()


if __name__ == "__main__":
    main()
