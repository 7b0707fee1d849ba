"""Shared by all training phases: options, device, threads, checkpoints, moving averages, learning rates, the optimiser."""
import argparse
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch

CHECKPOINT_SECONDS = 240


def parser(doc, steps):
    """The options of every phase that learns."""
    result = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--work", type=Path, required=True)
    result.add_argument("--steps", type=int, default=steps, help="in all, those of earlier runs included")
    result.add_argument("--device", default="cpu", help="cpu or cuda")
    result.add_argument("--minutes", type=float, default=math.inf, help="ends after so long; the learning rate falls within it")
    result.add_argument("--times", type=int, default=1, help="batches so many times as large, which a graphics card does not notice")
    return result


def setup(seed=0, device="cpu"):
    """Seeds everything; new tensors and nets are on `device` from now on. @returns numpy's generator"""
    if device == "cpu":
        torch.set_num_threads(2)
    else:
        torch.set_default_device(device)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    torch.manual_seed(seed)
    random.seed(seed)
    return np.random.default_rng(seed)


def device():
    return torch.get_default_device()


def generator(seed):
    """A random generator on the device."""
    return torch.Generator(device()).manual_seed(seed)


def autocast():
    return torch.autocast(device().type, torch.bfloat16)


def save_atomic(state, path: Path):
    """Saves so that a reader never sees half a file, and a crash never costs the last checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load(path: Path):
    return torch.load(path, map_location=device(), weights_only=False)


class Threads:
    """Uses two threads on a quiet machine, and one while other programs use a core.

    Work is split evenly over the threads, so a thread that has to wait for its core would hold up the other one.
    """

    def __init__(self, patience=6):
        self.checked, self.busy, self.own = time.time(), 0., 0.
        self.patience = self.quiet = patience       # quiet seconds before the second thread comes back

    def adapt(self):
        now = time.time()
        if now - self.checked < 1 or not os.path.exists("/proc/stat"):
            return
        ticks = [int(v) for v in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        busy = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")     # seconds of all cores, without idle
        own, elapsed = time.process_time(), now - self.checked
        others = (busy - self.busy - own + self.own) / elapsed
        self.checked, self.busy, self.own = now, busy, own
        self.quiet = self.quiet + elapsed if others < .2 else 0.
        torch.set_num_threads(2 if self.quiet >= self.patience else 1)


class Average:
    """Exponential moving average of parameters, which reaches `decay` after a warm-up."""

    def __init__(self, parameters, decay=.998):
        self.parameters, self.decay = list(parameters), decay
        self.values = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step):
        torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters],
                             1 - min(self.decay, (1 + step) / (10 + step)))

    @torch.no_grad()
    def swap(self):
        """Exchanges the parameters with their averages; call again to undo."""
        for p, value in zip(self.parameters, self.values):
            kept = p.detach().clone()
            p.copy_(value)
            value.copy_(kept)


def learning_rate(step, done, warm_up=100, decay_from=.6):
    """Factor 0..1: warm-up, plateau, then a cosine down to 2 %. `done`: the share of the work that is done, 0..1."""
    if step < warm_up:
        return (step + 1) / warm_up
    t = min(1., max(0., (done - decay_from) / (1 - decay_from)))
    return .02 + .98 * .5 * (1 + math.cos(math.pi * t))


def orthogonalise(gradient, steps=5):
    """Newton-Schulz iteration towards the nearest orthogonal matrix, as used by the Muon optimiser."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = gradient.bfloat16()
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised updates for weight matrices and convolution kernels."""

    def __init__(self, parameters, lr=.01, momentum=.95):
        super().__init__(parameters, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(state["momentum"], group["momentum"]).reshape(p.size(0), -1)
                scale = max(1., update.size(0) / update.size(1)) ** .5
                p.add_(orthogonalise(update).reshape(p.shape), alpha=-group["lr"] * scale)


class Optimiser:
    """Uses Muon for hidden weights, and Adam for the rest (first and last layers, biases, norms, embeddings)."""

    def __init__(self, modules, adam_lr=1.5e-3, muon_lr=.01, edge_names=()):
        muon, adam = [], []
        for module in modules:
            for name, p in module.named_parameters():
                hidden = p.ndim >= 2 and p.numel() > 4096 and not any(edge in name for edge in edge_names)
                (muon if hidden else adam).append(p)
        self.parameters = muon + adam
        self.optimisers = [Muon(muon, lr=muon_lr), torch.optim.AdamW(adam, lr=adam_lr, betas=(.9, .99), weight_decay=0)]
        self.base = [muon_lr, adam_lr]

    def step(self, loss, factor, clip=1.):
        for optimiser, base in zip(self.optimisers, self.base):
            for group in optimiser.param_groups:
                group["lr"] = base * factor
            optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, clip)
        for optimiser in self.optimisers:
            optimiser.step()

    def state_dict(self):
        return [o.state_dict() for o in self.optimisers]

    def load_state_dict(self, states):
        for optimiser, state in zip(self.optimisers, states):
            optimiser.load_state_dict(state)


class Progress:
    """Prints running means of named figures, and tells how much is done, when to end and when a checkpoint is due."""

    def __init__(self, options, every=50):
        self.every, self.sums, self.count = every, {}, 0
        self.total, self.seconds = options.steps, 60 * options.minutes
        self.threads, self.steps = Threads() if device().type == "cpu" else None, 0     # steps of this run
        self.begun = self.start = self.saved = time.time()

    def goes_on(self, step):
        return step < self.total and time.time() - self.begun < self.seconds

    def done(self, step):
        """The share of the steps or of the time that is done, whichever is larger."""
        return max(step / self.total, (time.time() - self.begun) / self.seconds)

    def add(self, step, samples, **figures):
        if self.threads:
            self.threads.adapt()
        for name, value in figures.items():
            total, steps = self.sums.get(name, (0., 0))
            self.sums[name] = total + float(value.detach() if torch.is_tensor(value) else value), steps + 1
        self.count, self.steps = self.count + 1, self.steps + 1
        if self.count == self.every:
            rate = samples * self.every / (time.time() - self.start)
            means = "  ".join(f"{name} {total / steps:.4f}" for name, (total, steps) in self.sums.items())
            print(f"{time.strftime('%H:%M:%S')}  step {step}  {means}  {rate:.0f}/s", flush=True)
            self.sums, self.count, self.start = {}, 0, time.time()

    def checkpoint_due(self):
        if time.time() - self.saved < CHECKPOINT_SECONDS:
            return False
        self.saved = time.time()
        return True
