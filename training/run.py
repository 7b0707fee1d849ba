"""Runs phases one after another, or goes on where the last run was cut off.

    python -m training.run --work DIR                                       # everything
    python -m training.run --work DIR --phases few_step control --few-step 9000
    python -m training.run --work DIR --device cuda --times 8 --phases render latents classifier:1 few_step:4 control:3 --pack OUT

A number after a phase is the minutes that it may take. Every phase is a program of its own that resumes from its
checkpoint in DIR and ends at once when it has done its steps. Pictures are drawn on all cores. On the CPU, phases run niced,
with huge pages for large allocations, which makes a step about 1.5 times faster.
"""
import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000",
    "GOMP_SPINCOUNT": "20000",
}
HELD_OUT = 90000
SHARDS = {"scenes": 100, "pairs": 24, "leaves": 8, "shapes": 24, "large384": 4, "large512": 4, "wide": 4}      # of 500 pictures
HELD_OUT_SHARDS = {"scenes": 2, "shapes": 1}
STEPS = {"autoencoder": 4000, "diffusion": 14000, "classifier": 7200, "few_step": 5000, "control": 4000, "decoder": 9000, "judge": 3000}
PHASES = ("render", "autoencoder", "latents", "diffusion", "classifier", "few_step", "control", "decoder", "judge", "export",
          "calibrate", "evaluate")
# Amounts so small that all phases take minutes; this shows that they work, but teaches nothing.
TINY = {"shards": 1, "pictures": 30, "steps": 2}


def run(module, *arguments, threads=None):
    environment = {**os.environ, **ENVIRONMENT, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    command = ["nice", "-n", "19", sys.executable, "-W", "ignore", "-m", f"training.{module}", *map(str, arguments)]
    return subprocess.Popen(command, env=environment)


def finish(*processes):
    for process in processes:
        if process.wait() != 0:
            sys.exit(f"failed: {' '.join(process.args)}")


def say(text):
    print(f"--- {time.strftime('%H:%M:%S')} {text}", flush=True)


def render(work, cores, tiny):
    """Draws all missing shards, with one process per core, all kinds at once."""
    size = ["--size", TINY["pictures"]] if tiny else []
    jobs = [(kind, first + k) for first, shards in ((0, SHARDS), (HELD_OUT, HELD_OUT_SHARDS)) for kind, count in shards.items()
            for k in range(TINY["shards"] if tiny else count) if not (work / kind / f"{first + k:05d}.npy").exists()]
    running = []
    for kind, number in jobs:
        if len(running) == cores:
            finish(running.pop(0))
        running.append(run("shards", "--work", work, "--kind", kind, "--first", number, "--last", number + 1, *size, threads=1))
    finish(*running)


def arguments_of(name, options, out):
    """The command line of a phase, without --minutes."""
    work = ["--work", options.work]
    if name == "latents":
        return [*work, "--device", options.device]
    if name in STEPS:
        steps = TINY["steps"] if options.tiny else getattr(options, name)
        teacher = ["--teacher", options.teacher] if name == "few_step" else []
        return [*work, "--device", options.device, "--times", options.times, "--steps", steps, *teacher]
    return {"export": [*work, "--out", out], "calibrate": ["--model", out],
            "evaluate": [*work, "--model", out, "--out", options.work / "evaluation", *(["--count", "16"] if options.tiny else [])]}[name]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--phases", nargs="+", default=list(PHASES), metavar="PHASE[:MINUTES]", help=" ".join(PHASES))
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--times", type=int, default=1, help="batches so many times as large")
    parser.add_argument("--teacher", type=float, default=.5, help="of few_step; 0 where denoiser and teacher are the same")
    for name, steps in STEPS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=steps, help="steps")
    for kind, count in SHARDS.items():
        parser.add_argument(f"--{kind}", type=int, default=count, help="shards of 500 pictures")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="for drawing")
    parser.add_argument("--tiny", action="store_true", help="a little of everything, to see that it works")
    parser.add_argument("--pack", type=Path, help="folder for small checkpoints at the end")
    parser.add_argument("--out", type=Path, help="where the model folder goes; default WORK/starter")
    options = parser.parse_args()
    SHARDS.update({kind: getattr(options, kind) for kind in SHARDS})
    out = options.out or options.work / "starter"
    for phase in options.phases:
        name, _, minutes = phase.partition(":")
        if name not in PHASES:
            parser.error(f"no phase {name}: {' '.join(PHASES)}")
        say(phase)
        if name == "render":
            render(options.work, options.cores, options.tiny)
        else:
            finish(run(name, *arguments_of(name, options, out), *(["--minutes", minutes] if minutes else [])))
    if options.pack:
        finish(run("pack", "--work", options.work, "--out", options.pack))


if __name__ == "__main__":
    main()
