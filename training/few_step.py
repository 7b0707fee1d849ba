"""The few-step phase: adversarial distillation of the plain model to 1, 2 and 4 steps.

    python -m training.few_step --work DIR --steps 3000

The student predicts x0 in one jump from every input that a step of the product can meet (see rollout.py), now and then
at larger sizes (see large.py). Beside that it goes on learning plain diffusion in the lower part of the schedule, where the shapes of
things are and one answer is right. A discriminator on the denoiser's own features makes the predictions sharp, the classifier makes them follow their
captions, and the coarse luminance of pictures made from frames must follow the frame. The teacher with guidance
helps where it is clear itself; use `--teacher 0` where both start from the same published model.
Resumes from DIR/few_step.pt.
"""
import numpy as np
import torch
from torch.nn import functional as F

from . import common, schedule
from .classifier import load_classifier, noise_level
from .diffusion import build, load_models
from .discriminator import Discriminator
from .large import EVERY, SIDE, LargeScenes, shrunk
from .latents import Latents, caption_ids
from .layout_loss import Luminance, layout_loss
from .rollout import Rollout
from .text_encoder import token_ids
from .wishes import granted, variety_loss, wish_loss

GUIDANCE = 2.
WEIGHTS = {"adversarial": 1.4, "wishes": .25, "variety": .3, "reconstruction": .6, "pair": .7, "layout": 3., "contrast": 4., "denoising": 3.}
PLAIN, PLAIN_TIMES = 32, (20, 680)      # scenes of a step's plain diffusion, and where
TEACHER_TIMES = (200, 680)
ENOUGH = .8     # correlation with the frame above which the layout loss is zero
SEEN = .5       # share of a batch's predictions that the discriminator learns from, and as many scenes
WRONG = .15     # share of scenes that it also sees with wrong captions


def channels_last(x):
    return x.contiguous(memory_format=torch.channels_last)


def distance(a, b):
    """A distance between squared and absolute error, mean over a batch."""
    return (((a - b) ** 2).mean((1, 2, 3)) + 1e-2).sqrt().mean()


def excess_contrast(x0, real):
    """How much more the channels vary than in scenes, as a share, since exaggeration pleases classifiers but not the eye."""
    deviation, wanted = x0.std((0, 2, 3)), real.std((0, 2, 3))
    return (deviation / wanted - 1).relu().mean()


class Trainer:
    def __init__(self, work, teacher_weight, times=1):
        self.path, self.teacher_weight, self.times = work / "few_step.pt", teacher_weight, times
        self.teacher, self.text_encoder = load_models(work / "diffusion.pt")
        self.teacher.requires_grad_(False)
        self.student, _ = build()
        self.student.load_state_dict(self.teacher.state_dict())
        self.discriminator = Discriminator(self.teacher).requires_grad_(True).to(memory_format=torch.channels_last)
        self.classifier = load_classifier(work).requires_grad_(False)
        self.learning = [*self.student.parameters(), *self.text_encoder.parameters()]
        self.average = common.Average(self.learning, .997)
        self.student_optimiser = torch.optim.AdamW(
            [{"params": self.student.parameters(), "lr": 2e-4}, {"params": self.text_encoder.parameters(), "lr": 1e-4}],
            betas=(0., .95), weight_decay=0)
        self.critic_optimiser = torch.optim.AdamW(
            [{"params": self.discriminator.backbone.parameters(), "lr": 3e-4},
             {"params": self.discriminator.heads.parameters(), "lr": 1e-3}], betas=(0., .95), weight_decay=0)
        for optimiser in (self.student_optimiser, self.critic_optimiser):
            for group in optimiser.param_groups:
                group["base"] = group["lr"]
        self.step = 0
        if self.path.exists():
            self.resume(common.load(self.path))
        self.luminance = Luminance().requires_grad_(False)
        self.luminance.load_state_dict(common.load(work / "luminance.pt"))
        self.rollout = Rollout(np.random.default_rng([5, self.step]), Latents(work, "scenes"), Latents(work, "pairs"), times)
        self.large = LargeScenes(np.random.default_rng([6, self.step]), work, times)
        torch.manual_seed(self.step)

    def parts(self):
        return {"raw_unet": self.student, "raw_text_encoder": self.text_encoder, "discriminator": self.discriminator,
                "student_optimiser": self.student_optimiser, "critic_optimiser": self.critic_optimiser}

    def resume(self, state):
        if "student_optimiser" not in state:    # packed
            self.student.load_state_dict(state["unet"])
            self.text_encoder.load_state_dict(state["text_encoder"])
            self.average = common.Average(self.learning, .997)
            return
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        self.average.values, self.step = state["average"], state["step"]

    def save(self):
        self.average.swap()
        smooth = {name: {k: v.clone() for k, v in net.state_dict().items()}
                  for name, net in (("unet", self.student), ("text_encoder", self.text_encoder))}
        self.average.swap()
        states = {name: part.state_dict() for name, part in self.parts().items()}
        common.save_atomic({**states, **smooth, "average": self.average.values, "step": self.step}, self.path)

    def predict(self, net, x, t, text):
        with common.autocast():
            v = net(channels_last(x), t, text)
        return schedule.x0_from_v(x, v.float(), t)

    def judged(self, x0, level, text):
        """The discriminator's score maps of latents, which get noise first; of large ones twice: as they are, and as a whole."""
        views = [x0] if min(x0.shape[2:]) <= SIDE else [x0, shrunk(x0)]
        with common.autocast():
            return [s.float() for view in views for s in self.discriminator(channels_last(schedule.add_noise(view, level)), level, text)]

    def classified(self, x0):
        level = noise_level(len(x0))
        with common.autocast():
            return self.classifier(schedule.add_noise(shrunk(x0), level), level)

    def teacher_loss(self, x0, text):
        """Distance to the guided teacher's result from the noised prediction."""
        t = torch.randint(*TEACHER_TIMES, (len(x0),))
        x = schedule.add_noise(x0.detach(), t)
        with torch.no_grad():
            nothing = self.text_encoder(token_ids([""])).expand(len(x), -1, -1)
            both = self.predict(self.teacher, torch.cat([x, x]), torch.cat([t, t]), torch.cat([text, nothing]))
            with_text, without = both.chunk(2)
        return distance(x0, without + GUIDANCE * (with_text - without))

    def denoising_loss(self):
        """Plain diffusion: the squared error of v for noised scenes."""
        z, records = self.rollout.scenes.batch(self.rollout.rng, PLAIN * self.times)
        t = torch.randint(*PLAIN_TIMES, (len(z),))
        x = schedule.add_noise(z, t)
        with common.autocast():
            v = self.student(channels_last(x), t, self.text_encoder(caption_ids(self.rollout.rng, records)).float())
        return F.mse_loss(v.float(), schedule.v_from_x0(x, z, t))

    def losses(self, x0, text, batch, parts):
        """The student's losses by name, without weights, and how many of the named things are there."""
        logits = self.classified(x0)
        scores = self.judged(x0, noise_level(len(x0)), text)
        losses = {
            "adversarial": -sum(s.mean() for s in scores) / len(scores),
            "wishes": wish_loss(logits, batch.wishes),
            "variety": variety_loss(logits, batch.wishes, parts.noise),
            "reconstruction": distance(x0[parts.noised], batch.real[parts.noised]),
            "contrast": excess_contrast(x0, batch.real),
        }
        if batch.frame is not None:
            losses["pair"] = F.l1_loss(F.avg_pool2d(x0[parts.pairs], 4), F.avg_pool2d(batch.real[parts.pairs], 4))
            losses["layout"] = layout_loss(self.luminance, x0[parts.pairs.start:], batch.frame, ENOUGH)
        return losses, {name: granted({name: logits[name][parts.noise]}, batch.wishes[parts.noise], name)
                        for name in ("thing", "weather", "celestial", "style")}

    def source(self):
        """Where the next batch comes from."""
        return self.large if self.large.scenes and self.step % EVERY == EVERY - 1 else self.rollout

    def student_step(self, source, batch, factor):
        with common.autocast():
            text = self.text_encoder(batch.wishes.ids).float()
        x0 = self.predict(self.student, batch.x, batch.t, text)
        source.keep(x0, batch)
        self.discriminator.requires_grad_(False)
        losses, found = self.losses(x0, text.detach(), batch, source.parts)
        losses["denoising"] = self.denoising_loss()
        total = sum(WEIGHTS[name] * value for name, value in losses.items())
        if self.teacher_weight:
            total = total + self.teacher_weight * self.teacher_loss(x0[source.parts.noise], text[source.parts.noise].detach())
        update(self.student_optimiser, total, self.learning, factor)
        return x0.detach(), losses, found

    def critic_step(self, x0, batch, factor):
        """Trains on real scenes with their captions against predictions and scenes with wrong captions."""
        self.discriminator.requires_grad_(True)
        seen = round(SEEN * len(x0))
        fake, real = torch.randperm(len(x0))[:seen], torch.randperm(len(x0))[:seen]
        with torch.no_grad(), common.autocast():
            ids = torch.cat([batch.real_wishes.ids[real], batch.wishes.ids[fake]])
            text, fake_text = self.text_encoder(ids).float().chunk(2)
        loss = critic_loss(self.judged, batch.real[real], text, x0[fake], fake_text)
        update(self.critic_optimiser, loss, list(self.discriminator.parameters()), factor)
        return loss


def critic_loss(judged, real, real_text, fake, fake_text):
    """Hinge loss of a discriminator: real scenes with their captions against predictions and scenes with wrong captions.

    `judged(latents, timesteps, text)` gives its score maps; there are as many predictions as scenes.
    """
    seen, wrong = len(real), round(WRONG / SEEN * len(real))
    level, loss = noise_level(seen), 0.
    scores = judged(torch.cat([real, fake, real[:wrong]]), torch.cat([level, level, level[:wrong]]),
                    torch.cat([real_text, fake_text, real_text[:wrong].roll(1, 0)]))
    for s in scores:
        loss = loss + F.relu(1 - s[:seen]).mean() + F.relu(1 + s[seen:2 * seen]).mean() + .35 * F.relu(1 + s[2 * seen:]).mean()
    return loss / len(scores)


def update(optimiser, loss, parameters, factor):
    for group in optimiser.param_groups:
        group["lr"] = group["base"] * factor
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 2.)
    optimiser.step()


class Found:
    """Shares of the named attributes that the classifier finds in one-step pictures, as running sums."""

    def __init__(self):
        self.sums = {}

    def add(self, found):
        for name, (asked, right) in found.items():
            a, r = self.sums.get(name, (0, 0))
            self.sums[name] = .98 * a + asked, .98 * r + right

    def shares(self):
        return {name: right / max(asked, 1) for name, (asked, right) in self.sums.items()}


def main():
    parser = common.parser(__doc__, steps=3000)
    parser.add_argument("--teacher", type=float, default=.5, help="weight of the teacher; 0 does without")
    options = parser.parse_args()
    common.setup(device=options.device)
    trainer, progress, found = Trainer(options.work, options.teacher, options.times), common.Progress(options), Found()
    while progress.goes_on(trainer.step):
        factor = common.learning_rate(trainer.step, progress.done(trainer.step), warm_up=20)
        ramp = min(1., (trainer.step + 1) / 150)    # the discriminator gets a head start
        source = trainer.source()
        batch = source.batch()
        x0, losses, here = trainer.student_step(source, batch, factor * ramp)
        losses["critic"] = trainer.critic_step(x0, batch, factor)
        found.add(here)
        trainer.step += 1
        trainer.average.update(trainer.step)
        progress.add(trainer.step, len(x0), **losses, **found.shares(), deviation=x0[source.parts.noise].std())
        if progress.checkpoint_due():
            trainer.save()
    if progress.steps:
        trainer.save()


if __name__ == "__main__":
    main()
