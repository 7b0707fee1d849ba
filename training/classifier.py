"""A classifier of noised latents that names time, land, thing and so on, from which the few-step phase learns.

    python -m training.classifier --work DIR --steps 7200

It sees scenes at the noise levels of the few-step phase, shifted, dimmed and mixed with others, so that only shapes
and colours convince it, not a faint texture. The judge of the evaluation is another net: it sees pixels, and neither
its pictures nor its weights are used here. Resumes from DIR/classifier.pt.
"""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from . import common, schedule
from .attributes import COLOURS, JUDGED, SIDES
from .autoencoder_net import CHANNELS
from .latents import Latents

CLASSES = {**JUDGED, "colour": COLOURS, "side": SIDES}
BATCH, LEARNING_RATE = 64, 1.5e-3
MAX_LEVEL = 650     # highest timestep of the noise


def layer(channels_in, channels, stride=1):
    return nn.Sequential(nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1),
                         nn.GroupNorm(8, channels), nn.SiLU())


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(layer(channels, channels), nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(8, channels))

    def forward(self, x):
        return F.silu(x + self.body(x))


class Classifier(nn.Module):
    """Maps noised latents [B, 16, 16, 16] and their timesteps [B] to a dict of logits [B, classes].

    What it cannot tell apart, the student never learns: a net of half the layers knew things in .63 of real scenes, and
    the student stayed below that.
    """

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            layer(CHANNELS + 1, 96), Residual(96), layer(96, 144, 2), Residual(144), Residual(144),
            layer(144, 192, 2), Residual(192))
        self.heads = nn.ModuleDict({name: nn.Linear(384, len(values)) for name, values in CLASSES.items()})

    def forward(self, x, t):
        noise = schedule.signal(t)[1].expand(-1, 1, *x.shape[2:])
        x = torch.cat([x, noise], 1).contiguous(memory_format=torch.channels_last)
        x = self.body(x).flatten(2)
        features = torch.cat([x.mean(2), x.amax(2)], 1).float()
        return {name: head(features) for name, head in self.heads.items()}


def noise_level(count):
    """Timesteps for the classifier and discriminator: mostly low, where details show."""
    r = torch.rand(count)
    return torch.where(torch.rand(count) < .6, r * 250, r * MAX_LEVEL).long()


def labels(records):
    """Turns attribute records into a dict of class indices [B]."""
    return {name: torch.tensor([values.index(r[name]) for r in records]) for name, values in CLASSES.items()}


def distort(z):
    """Moves latents by up to two positions, changes their contrast and mixes in a little of another scene."""
    y, x = torch.randint(0, 5, (2,)).tolist()
    z = F.pad(z, (2, 2, 2, 2), mode="replicate")[:, :, y:y + z.shape[2], x:x + z.shape[3]]
    share = .25 * torch.rand(len(z), 1, 1, 1) * (torch.rand(len(z), 1, 1, 1) < .5)
    return ((1 - share) * z + share * z.roll(1, 0)) * (1 + .1 * torch.randn(len(z), 1, 1, 1))


def classification_loss(logits, target):
    return sum(F.cross_entropy(logits[name], target[name], label_smoothing=.05) for name in CLASSES)


@torch.no_grad()
def held_out_accuracy(classifier, held_out, t, count=500):
    """Share of right answers on held-out scenes at timestep t, per attribute."""
    count = min(count, len(held_out))
    level = torch.full((count,), t)
    x = schedule.add_noise(held_out.z[:count].float(), level)
    target, logits = labels(held_out.records[:count]), classifier(x, level)
    return {name: round((logits[name].argmax(1) == target[name]).float().mean().item(), 3) for name in CLASSES}


def load_classifier(work):
    classifier = Classifier().to(memory_format=torch.channels_last)
    classifier.load_state_dict(common.load(work / "classifier.pt")["classifier"])
    return classifier.eval()


def main():
    options = common.parser(__doc__, steps=7200).parse_args()
    rng = common.setup(11, options.device)
    classifier, step, path = Classifier().to(memory_format=torch.channels_last), 0, options.work / "classifier.pt"
    optimiser = torch.optim.AdamW(classifier.parameters(), LEARNING_RATE, weight_decay=1e-2)
    if path.exists():
        state = common.load(path)
        classifier.load_state_dict(state["classifier"])
        if "optimiser" in state:        # not in a packed checkpoint
            optimiser.load_state_dict(state["optimiser"])
            step = state["step"]
            rng = np.random.default_rng([11, step])
    scenes, held_out = Latents(options.work, "scenes"), Latents(options.work, "scenes", held_out=True)
    save = lambda: common.save_atomic({"classifier": classifier.state_dict(), "optimiser": optimiser.state_dict(),
                                       "step": step}, path)
    progress, count = common.Progress(options, 100), BATCH * options.times
    while progress.goes_on(step):
        z, records = scenes.batch(rng, count)
        level = noise_level(count)
        with common.autocast():
            logits = classifier(schedule.add_noise(distort(z), level), level)
        loss = classification_loss({name: v.float() for name, v in logits.items()}, labels(records))
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * common.learning_rate(step, progress.done(step), decay_from=.3)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        progress.add(step, count, loss=loss)
        if progress.checkpoint_due():
            save()
    if progress.steps:
        save()
    for t in (0, 250, 500):
        print(f"right on held-out scenes at t {t}:", held_out_accuracy(classifier, held_out, t))


if __name__ == "__main__":
    main()
