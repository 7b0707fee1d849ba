"""Trains the control branch: pictures follow the visitor's outline at the strengths where the model paints.

    python -m training.control --work DIR --steps 4000

The denoiser and the text encoder are those of the few-step phase (or of the plain one) and stay as they are. The branch
meets what the product meets: noised frames at strengths of .6 to .97, its own predictions noised again as the second of
two steps, and pure noise. With outlines it learns to meet the scene that has the figure in it; with a frame's luminance as
control picture, the picture's luminance must follow the frame's, whatever the prompt. Resumes from DIR/control.pt.
"""
import numpy as np
import torch
from torch.nn import functional as F

from . import common, schedule
from .classifier import load_classifier, noise_level
from .control_maps import KINDS
from .control_net import ControlNet
from .diffusion import load_models
from .discriminator import Discriminator
from .few_step import channels_last, critic_loss, distance, excess_contrast, update
from .latents import Latents
from .layout_loss import Luminance, layout_loss
from .rollout import SECOND_SHARE
from .shards import HELD_OUT, load_shard
from .styles import LUMINANCE
from .wishes import Wishes, draw_wishes, wish_loss

FRAMES, SECOND, NOISE = 20, 8, 4    # samples of each kind
FRAME_TIMES = (590, 970)
WEIGHTS = {"reconstruction": 1.5, "adversarial": .5, "wishes": .2, "contrast": 2., "layout": 3., "detail": 3.}
ENOUGH = {"layout": .9, "detail": .8}   # correlation of the luminances above which these cost nothing
OF_LUMINANCE = KINDS.index("luminance")
DROP = .05      # share of empty captions
# Steps that only learn to meet the scene: three times as fast, and the outline is learned before the branch is asked to please.
PLAIN_STEPS = 2000


class Shapes(Latents):
    """Latents of frames and scenes, with the frames and their control pictures, uint8 [N, 2, H, W, 3]."""

    def __init__(self, work, held_out=False):
        super().__init__(work, "shapes", held_out)
        numbers = sorted(int(p.stem.split("-")[1]) for p in (work / "latents").glob("shapes-*.npy"))
        self.pictures = [load_shard(work, "shapes", n)[0][:, :2] for n in numbers if (n >= HELD_OUT) == held_out]
        if common.device().type != "cpu":
            self.pictures = [torch.from_numpy(np.ascontiguousarray(p)).to(common.device()) for p in self.pictures]
        self.first = np.cumsum([0] + [len(p) for p in self.pictures])

    def control(self, index, kinds):
        """Control pictures [B, 3, H, W] in 0..1, each of its kind."""
        chosen = []
        for k, kind in zip(index, kinds):
            shard = int(np.searchsorted(self.first, k, side="right")) - 1
            frame, maps = (torch.as_tensor(p).to(common.device()).float() / 255 for p in self.pictures[shard][k - self.first[shard]])
            chosen.append(varied(frame @ torch.tensor(LUMINANCE, dtype=torch.float32)) if kind == OF_LUMINANCE else maps[..., kind])
        return torch.stack(chosen)[:, None].expand(-1, 3, -1, -1)

    def batch(self, rng, count):
        """Latents [B, 2, 16, 16, 16], records, control pictures [B, 3, H, W], and their kinds [B]."""
        index, kinds = rng.integers(0, len(self), count), np.arange(count) % len(KINDS)
        z = self.z[torch.from_numpy(index).to(self.z.device)].float()
        return z, [self.records[k] for k in index], self.control(index, kinds), torch.from_numpy(kinds).to(z.device)


def varied(luminance):
    """A luminance [H, W] in 0..1 as cameras and map nodes may give it: blurred, with less contrast, darker or lighter."""
    size = (1, 1, 5, 11)[torch.randint(4, ())]
    blurred = F.avg_pool2d(luminance[None, None], size, 1, size // 2, count_include_pad=False)[0, 0]
    gain = torch.empty(()).uniform_(.5, 1.1)
    return (blurred * gain + torch.empty(()).uniform_(0, 1) * (1 - gain).clamp(min=0)).clamp(0, 1)


class Trainer:
    def __init__(self, work, times):
        self.path, self.times = work / "control.pt", times
        few_step = work / "few_step.pt"
        self.unet, self.text_encoder = load_models(few_step if few_step.exists() else work / "diffusion.pt")
        for net in (self.unet, self.text_encoder):
            net.requires_grad_(False)
        self.control = ControlNet()
        self.control.start_from(self.unet)
        self.control.to(memory_format=torch.channels_last)
        self.discriminator = Discriminator(self.unet).requires_grad_(True).to(memory_format=torch.channels_last)
        self.classifier = load_classifier(work).requires_grad_(False)
        self.luminance = Luminance().requires_grad_(False)
        self.luminance.load_state_dict(common.load(work / "luminance.pt"))
        self.average = common.Average(self.control.parameters(), .997)
        self.optimiser = torch.optim.AdamW([{"params": self.control.parameters(), "lr": 5e-4, "base": 5e-4}], betas=(.5, .95), weight_decay=0)
        self.critic_optimiser = torch.optim.AdamW([{"params": self.discriminator.parameters(), "lr": 3e-4, "base": 3e-4}], betas=(0., .95), weight_decay=0)
        self.step, self.kept = 0, None
        if self.path.exists():
            self.resume(common.load(self.path))
        self.rng = np.random.default_rng([17, self.step])
        torch.manual_seed(self.step)
        self.shapes = Shapes(work)

    def parts(self):
        return {"raw_control": self.control, "discriminator": self.discriminator, "optimiser": self.optimiser,
                "critic_optimiser": self.critic_optimiser}

    def resume(self, state):
        if "optimiser" not in state:    # packed
            self.control.load_state_dict(state["control"])
            self.average = common.Average(self.control.parameters(), .997)
            return
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        self.average.values, self.step = state["average"], state["step"]

    def save(self):
        self.average.swap()
        smooth = {k: v.clone() for k, v in self.control.state_dict().items()}
        self.average.swap()
        common.save_atomic({**{name: part.state_dict() for name, part in self.parts().items()}, "control": smooth,
                            "average": self.average.values, "step": self.step}, self.path)

    def batch(self):
        """What goes in, timesteps, wishes, control pictures and their kinds, and frames and scenes [B, 2, …]: what comes out is to meet those."""
        frames, second, noise = (self.times * n for n in (FRAMES, SECOND, NOISE))
        z, records, control, kinds = self.shapes.batch(self.rng, frames + second + noise)
        clean = z[:, 0].clone()
        wishes = draw_wishes(self.rng, records, DROP)
        t = torch.randint(*FRAME_TIMES, (len(z),))
        t[frames + second:] = 999
        second = slice(frames, frames + second)
        if self.kept is not None:
            x0, before, wished, control_before, kinds_before, t_before = self.kept
            again = torch.randperm(frames)[:second.stop - second.start]
            clean[second], z[second], kinds[second] = x0[again], before[again], kinds_before[again]
            t[second] = (t_before[again] * torch.empty(len(again)).uniform_(*SECOND_SHARE)).long()
            control = torch.cat([control[:frames], control_before[again], control[second.stop:]])
            wishes = Wishes.join([wishes[:frames], wished[again], wishes[second.stop:]])
        x = schedule.add_noise(clean, t)
        x[second.stop:] = torch.randn_like(x[second.stop:])
        return x, t, wishes, control, kinds, z

    def judged(self, x0, level, text):
        with common.autocast():
            return [s.float() for s in self.discriminator(channels_last(schedule.add_noise(x0, level)), level, text)]

    def train(self, factor, ramp):
        x, t, wishes, control, kinds, wanted = self.batch()
        frame, real = wanted.unbind(1)
        with torch.no_grad(), common.autocast():
            text = self.text_encoder(wishes.ids).float()
        with common.autocast():
            v = self.unet(channels_last(x), t, text, self.control(channels_last(x), t, text, control))
        x0 = schedule.x0_from_v(x, v.float(), t)
        self.kept = x0.detach(), wanted, wishes, control, kinds, t
        outlines = kinds != OF_LUMINANCE
        if self.step < PLAIN_STEPS:
            losses = {"reconstruction": distance(x0[outlines], real[outlines])}
            update(self.optimiser, losses["reconstruction"], list(self.control.parameters()), factor)
            self.step += 1
            self.average.update(self.step)
            return losses
        self.discriminator.requires_grad_(False)
        level, scores = noise_level(len(x0)), self.judged(x0, noise_level(len(x0)), text)
        with common.autocast():
            logits = self.classifier(schedule.add_noise(x0, level), level)
        losses = {"reconstruction": distance(x0[outlines], real[outlines]), "adversarial": -sum(s.mean() for s in scores) / len(scores),
                  "wishes": wish_loss(logits, wishes), "contrast": excess_contrast(x0, real),
                  **{name: layout_loss(self.luminance, x0[~outlines], frame[~outlines], ENOUGH[name], pool)
                     for name, pool in (("layout", 2), ("detail", 1))}}
        weights = {**WEIGHTS, "adversarial": ramp * WEIGHTS["adversarial"]}
        update(self.optimiser, sum(weights[name] * value for name, value in losses.items()), list(self.control.parameters()), factor)
        losses["critic"] = self.train_critic(x0.detach(), real, text, factor)
        self.step += 1
        self.average.update(self.step)
        return losses

    def train_critic(self, x0, real, text, factor):
        self.discriminator.requires_grad_(True)
        half = len(x0) // 2
        first, other = torch.randperm(len(x0)).split([half, len(x0) - half])
        loss = critic_loss(self.judged, real[first], text[first], x0[other[:half]], text[other[:half]])
        update(self.critic_optimiser, loss, list(self.discriminator.parameters()), factor)
        return loss


def load_control(work):
    control = ControlNet()
    control.load_state_dict(common.load(work / "control.pt")["control"])
    return control.eval()


def main():
    options = common.parser(__doc__, steps=4000).parse_args()
    common.setup(17, options.device)
    trainer, progress = Trainer(options.work, options.times), common.Progress(options)
    while progress.goes_on(trainer.step):
        losses = trainer.train(common.learning_rate(trainer.step, progress.done(trainer.step), warm_up=50), min(1., max(0, trainer.step - PLAIN_STEPS) / 600))
        progress.add(trainer.step, (FRAMES + SECOND + NOISE) * options.times, **losses)
        if progress.checkpoint_due():
            trainer.save()
    if progress.steps:
        trainer.save()


if __name__ == "__main__":
    main()
