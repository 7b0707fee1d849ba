"""The few-step phase: adversarial distillation of the plain model to 1, 2 and 4 steps.

    python -m training.few_step --work DIR --steps 6000

The student predicts x0 in one jump from: pure noise; its own noised predictions (what it meets in later steps);
noised scenes; and noised camera-like frames, whose coarse luminance the prediction must follow. A discriminator on
the denoiser's own features makes the predictions sharp, the teacher with guidance keeps them on the prompt.
Resumes from DIR/few_step.pt.
"""
import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from . import common, schedule
from .diffusion import build, load_models
from .discriminator import Discriminator
from .latents import Latents, caption_ids
from .layout_loss import Luminance, layout_loss

NOISE, AGAIN, NOISED, PAIRS, FRAMES = 12, 8, 6, 6, 4        # samples of each kind in a batch
BATCH = NOISE + AGAIN + NOISED + PAIRS + FRAMES
GUIDANCE = 2.
WEIGHTS = {"adversarial": 1., "teacher": .5, "reconstruction": 1., "pair": .7, "layout": .7}


def channels_last(x):
    return x.contiguous(memory_format=torch.channels_last)


def distance(a, b):
    """Between squared and absolute error, mean over a batch."""
    return (((a - b) ** 2).mean((1, 2, 3)) + 1e-2).sqrt().mean()


class Trainer:
    def __init__(self, work):
        self.work, self.path = work, work / "few_step.pt"
        self.teacher, self.text_encoder = load_models(work / "diffusion.pt")
        self.teacher.requires_grad_(False)
        self.text_encoder.requires_grad_(False)
        self.student, _ = build()
        self.student.load_state_dict(self.teacher.state_dict())
        self.discriminator = Discriminator(self.teacher).requires_grad_(True).to(memory_format=torch.channels_last)
        self.average = common.Average(self.student.parameters(), .995)
        self.student_optimiser = torch.optim.AdamW(self.student.parameters(), 2e-4, betas=(0., .95), weight_decay=0)
        self.judge_optimiser = torch.optim.AdamW(
            [{"params": self.discriminator.backbone.parameters(), "lr": 3e-4},
             {"params": self.discriminator.heads.parameters(), "lr": 1e-3}], betas=(0., .95), weight_decay=0)
        for optimiser in (self.student_optimiser, self.judge_optimiser):
            for group in optimiser.param_groups:
                group["base"] = group["lr"]
        self.step, self.previous = 0, None
        if self.path.exists():
            self.resume(common.load(self.path))
        self.scenes, self.pairs = Latents(work, "scenes"), Latents(work, "pairs")
        self.luminance = Luminance().requires_grad_(False)
        self.luminance.load_state_dict(common.load(work / "luminance.pt"))
        self.rng = np.random.default_rng(self.step)
        torch.manual_seed(self.step)
        with torch.no_grad():
            self.nothing = self.text_encoder(caption_ids(self.rng, [{}], drop=1.))

    def parts(self):
        return {"raw_unet": self.student, "discriminator": self.discriminator,
                "student_optimiser": self.student_optimiser, "judge_optimiser": self.judge_optimiser}

    def resume(self, state):
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        self.average.values, self.step = state["average"], state["step"]

    def save(self):
        self.average.swap()
        smooth = {k: v.clone() for k, v in self.student.state_dict().items()}
        self.average.swap()
        states = {name: part.state_dict() for name, part in self.parts().items()}
        common.save_atomic({**states, "unet": smooth, "text_encoder": self.text_encoder.state_dict(),
                            "average": self.average.values, "step": self.step}, self.path)

    def text(self, records):
        with torch.no_grad():
            return self.text_encoder(caption_ids(self.rng, records, drop=.05))

    def predict(self, net, x, t, text):
        with common.autocast():
            v = net(channels_last(x), t, text)
        return schedule.x0_from_v(x, v.float(), t)

    def inputs(self):
        """A batch, its kinds one after the other: x_t, t, text, the clean latents in x_t, real latents, their text."""
        plain = NOISE + AGAIN + NOISED
        real, records = self.scenes.batch(self.rng, plain + FRAMES)
        pair, pair_records = self.pairs.batch(self.rng, PAIRS)
        frame, _ = self.pairs.batch(self.rng, FRAMES)       # these go with any caption
        real = torch.cat([real[:plain], pair[:, 1], real[plain:]])
        real_text = self.text(records[:plain] + pair_records + records[plain:])
        clean, text = torch.cat([real[:plain], pair[:, 0], frame[:, 0]]), real_text.clone()
        if self.previous is not None:
            clean[NOISE:NOISE + AGAIN], text[NOISE:NOISE + AGAIN] = (v[:AGAIN] for v in self.previous)
        product = torch.tensor([759, 499, 499, 239])[torch.randint(0, 4, (AGAIN,))]
        t = torch.cat([torch.full((NOISE,), 999), product + torch.randint(-60, 61, (AGAIN,)),
                       torch.randint(100, 980, (NOISED,)), torch.randint(380, 820, (PAIRS + FRAMES,))])
        x = schedule.add_noise(clean, t)
        x[:NOISE] = torch.randn_like(x[:NOISE])
        return x, t, text, clean, real, real_text

    def noise_level(self, count):
        """Timesteps at which the discriminator looks: mostly low, where sharpness shows."""
        r = torch.rand(count)
        return torch.where(torch.rand(count) < .6, r * 250, r * 650).long()

    def teacher_loss(self, x0, text):
        """Distance to what the guided teacher makes of the noised prediction."""
        t = torch.randint(250, 850, (len(x0),))
        x = schedule.add_noise(x0.detach(), t)
        with torch.no_grad():
            both = self.predict(self.teacher, torch.cat([x, x]), torch.cat([t, t]),
                                torch.cat([text, self.nothing.expand(len(x), -1, -1)]))
            with_text, without = both.chunk(2)
            target = without + GUIDANCE * (with_text - without)
        return distance(x0, target)

    def student_step(self, x, t, text, clean, real, factor):
        x0 = self.predict(self.student, x, t, text)
        self.previous = (x0[:NOISE].detach(), text[:NOISE])
        self.discriminator.requires_grad_(False)
        level = self.noise_level(BATCH)
        with common.autocast():
            scores = self.discriminator(channels_last(schedule.add_noise(x0, level)), level, text)
        noised = slice(NOISE + AGAIN, NOISE + AGAIN + NOISED)
        pair = slice(noised.stop, noised.stop + PAIRS)
        losses = {
            "adversarial": -sum(s.float().mean() for s in scores) / len(scores),
            "teacher": self.teacher_loss(x0[:NOISE], text[:NOISE]),
            "reconstruction": distance(x0[noised], real[noised]),
            "pair": F.l1_loss(F.avg_pool2d(x0[pair], 4), F.avg_pool2d(real[pair], 4)),
            "layout": layout_loss(self.luminance, x0[pair.start:], clean[pair.start:]),
        }
        update(self.student_optimiser, sum(WEIGHTS[k] * v for k, v in losses.items()), self.student, factor)
        return x0.detach(), losses

    def judge_step(self, x0, text, real, real_text, factor):
        """Real scenes with their captions against predictions and against scenes with wrong captions."""
        self.discriminator.requires_grad_(True)
        level, wrong = self.noise_level(BATCH), slice(0, BATCH // 2)
        seen = torch.cat([schedule.add_noise(real, level), schedule.add_noise(x0, level),
                          schedule.add_noise(real[wrong], level[wrong])])
        with common.autocast():
            scores = self.discriminator(channels_last(seen), torch.cat([level, level, level[wrong]]),
                                        torch.cat([real_text, text, real_text[wrong].roll(1, 0)]))
        loss = 0.
        for s in scores:
            s = s.float()
            loss = loss + F.relu(1 - s[:BATCH]).mean() + F.relu(1 + s[BATCH:2 * BATCH]).mean() \
                + .35 * F.relu(1 + s[2 * BATCH:]).mean()
        loss = loss / len(scores)
        update(self.judge_optimiser, loss, self.discriminator, factor)
        return loss


def update(optimiser, loss, module, factor):
    for group in optimiser.param_groups:
        group["lr"] = group["base"] * factor
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 2.)
    optimiser.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    options = parser.parse_args()
    common.setup()
    trainer, progress = Trainer(options.work), common.Progress(50)
    while trainer.step < options.steps:
        factor = common.learning_rate(trainer.step, options.steps, warm_up=20)
        x, t, text, clean, real, real_text = trainer.inputs()
        x0, losses = trainer.student_step(x, t, text, clean, real, factor)
        losses["judge"] = trainer.judge_step(x0, text, real, real_text, factor)
        trainer.step += 1
        trainer.average.update(trainer.step)
        progress.add(trainer.step, BATCH, **losses, deviation=x0[:NOISE].std())
        if progress.checkpoint_due():
            trainer.save()
    if progress.steps:
        trainer.save()


if __name__ == "__main__":
    main()
