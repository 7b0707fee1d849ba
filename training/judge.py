"""A classifier only for judging: it names time, land, thing, weather, celestial and style of a picture.

    python -m training.judge --work DIR --steps 3000

It is trained on rendered scenes, a fifth of them through the decoder, and is never used in training the model: the
classifier that the few-step phase learns from is another net on other inputs (see classifier.py).
"""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from . import common
from .attributes import JUDGED
from .autoencoder import to_tensor
from .latents import load_latents
from .sheets import load_autoencoder
from .shards import load_shard, shard_numbers

BATCH, SIZE = 48, 128
DECODED = 4         # every fourth picture is there a second time, after encoding and decoding


def layer(channels_in, channels, stride=1):
    return nn.Sequential(nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False),
                         nn.BatchNorm2d(channels), nn.ReLU())


class Judge(nn.Module):
    """Maps pictures [B, 3, 128, 128] in -1..1 to a dict of logits [B, classes].

    Styles are often only a tint, so the colours of an 8 × 8 grid go to the heads directly.
    """

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2), layer(12, 48), layer(48, 64, 2), layer(64, 64), layer(64, 96, 2), layer(96, 96),
            layer(96, 128, 2), layer(128, 128), layer(128, 128))
        self.colours = nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(192, 192), nn.ReLU(),
                                     nn.Linear(192, 128), nn.ReLU())
        self.heads = nn.ModuleDict({name: nn.Linear(384, len(values)) for name, values in JUDGED.items()})

    def features(self, pictures):
        x = self.body(pictures).flatten(2)
        return torch.cat([x.mean(2), x.amax(2), self.colours(pictures)], 1)

    def forward(self, pictures):
        features = self.features(pictures)
        return {name: head(features) for name, head in self.heads.items()}


def shrink(pictures):
    """Resizes [B, 3, H, W] of any size to 128 × 128."""
    return F.interpolate(pictures, (SIZE, SIZE), mode="area")


@torch.no_grad()
def judge_pictures(judge, pictures):
    """Maps uint8 [N, H, W, 3] to a dict of class indices [N]."""
    judge.eval()
    parts = [judge(shrink(to_tensor(pictures[k:k + 50]))) for k in range(0, len(pictures), 50)]
    return {name: torch.cat([p[name].argmax(1) for p in parts]).cpu().numpy() for name in JUDGED}


def labels(records):
    """Turns attribute records into a dict of class indices [B]."""
    return {name: torch.tensor([values.index(r[name]) for r in records]) for name, values in JUDGED.items()}


def load_judge(work):
    judge = Judge()
    judge.load_state_dict(common.load(work / "judge.pt")["judge"])
    return judge.eval()


@torch.no_grad()
def shrunk_shard(work, number, decoder):
    """The pictures of a shard, and some of them decoded from noisy latents, uint8 [625, 128, 128, 3], with their records."""
    pictures, records = load_shard(work, "scenes", number)
    z = torch.from_numpy(load_latents(work, "scenes", number)[::DECODED]).to(common.device()).float()
    z = z + .25 * torch.rand(len(z), 1, 1, 1) * torch.randn_like(z)
    with common.autocast():
        decoded = [shrink(decoder(part).float().clamp(-1, 1)) for part in z.split(25)]
    small = [shrink(to_tensor(pictures[k:k + 25])) for k in range(0, len(pictures), 25)]
    small = ((torch.cat(small + decoded) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    return small.cpu().numpy(), records + records[::DECODED]


def training_batch(rng, pictures, records, count=BATCH):
    index = rng.integers(0, len(pictures), count)
    x = to_tensor(pictures[index])
    if rng.random() < .5:       # mirrored pictures mean the same to these heads
        x = x.flip(3)
    x = x * (1 + .03 * torch.randn(count, 1, 1, 1)) + .01 * torch.randn(count, 3, 1, 1)
    return x + .04 * rng.random() * torch.randn_like(x), labels([records[k] for k in index])


def main():
    options = common.parser(__doc__, steps=3000).parse_args()
    rng = common.setup(3, options.device)
    _, decoder = load_autoencoder(options.work)
    judge, step, path = Judge(), 0, options.work / "judge.pt"
    optimiser = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=1e-3)
    if path.exists():
        state = common.load(path)
        judge.load_state_dict(state["judge"])
        if "optimiser" in state:        # not in a packed checkpoint
            optimiser.load_state_dict(state["optimiser"])
            step = state["step"]
            rng = np.random.default_rng([3, step])
    shards = [shrunk_shard(options.work, n, decoder) for n in shard_numbers(options.work, "scenes")]
    pictures, records = np.concatenate([p for p, _ in shards]), [r for _, part in shards for r in part]
    save = lambda: common.save_atomic({"judge": judge.state_dict(), "optimiser": optimiser.state_dict(), "step": step}, path)
    progress, count = common.Progress(options), BATCH * options.times
    judge.train()
    while progress.goes_on(step):
        x, target = training_batch(rng, pictures, records, count)
        with common.autocast():
            logits = judge(x)
        loss = sum(F.cross_entropy(logits[name].float(), target[name]) for name in JUDGED)
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * common.learning_rate(step, progress.done(step), decay_from=.3)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        progress.add(step, count, loss=loss)
        if progress.checkpoint_due():
            save()
    if progress.steps:
        save()
    pictures, records = load_shard(options.work, "scenes", shard_numbers(options.work, "scenes", held_out=True)[-1])
    verdict, truth = judge_pictures(judge, pictures), labels(records)
    for name, values in JUDGED.items():
        print(f"{name}: {np.mean(verdict[name] == truth[name].cpu().numpy()):.3f} right on held-out scenes")


if __name__ == "__main__":
    main()
