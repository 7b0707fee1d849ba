"""Runs all phases one after the other, or goes on wherever the last run was cut.

    python -m training.run --work DIR                    # everything, with the default number of steps
    python -m training.run --work DIR --diffusion 60000  # train a phase longer

Every phase is a program of its own that resumes from its checkpoint in DIR and ends at once when it has done its
steps. Children run niced, with huge pages for large allocations, which makes a step about 1.5 times faster.
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
SCENES, PAIRS, LEAVES = 100, 24, 8      # shards of 500


def run(module, *arguments, threads=None):
    environment = {**os.environ, **ENVIRONMENT, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    command = ["nice", "-n", "19", sys.executable, "-W", "ignore", "-m", f"training.{module}", *map(str, arguments)]
    return subprocess.Popen(command, env=environment)


def finish(*processes):
    for process in processes:
        if process.wait() != 0:
            sys.exit(f"failed: {' '.join(process.args)}")


def phase(name, module, *arguments):
    print(f"--- {time.strftime('%H:%M:%S')} {name}", flush=True)
    finish(run(module, *arguments))


def render(work, kind, first, last):
    """Renders shards with two processes."""
    print(f"--- {time.strftime('%H:%M:%S')} {kind} {first} to {last}", flush=True)
    middle = (first + last) // 2
    finish(*(run("shards", "--work", work, "--kind", kind, "--first", a, "--last", b, threads=1)
             for a, b in ((first, middle), (middle, last)) if b > a))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--autoencoder", type=int, default=4000, help="steps")
    parser.add_argument("--diffusion", type=int, default=14000, help="steps")
    parser.add_argument("--classifier", type=int, default=3500, help="steps")
    parser.add_argument("--few-step", type=int, default=5000, help="steps")
    parser.add_argument("--decoder", type=int, default=1500, help="steps")
    parser.add_argument("--judge", type=int, default=3000, help="steps")
    parser.add_argument("--out", type=Path, help="where the model folder goes; default WORK/starter")
    options = parser.parse_args()
    work, out = options.work, options.out or options.work / "starter"
    for kind, count in (("scenes", 24), ("leaves", LEAVES), ("pairs", 4)):
        render(work, kind, 0, count)
    render(work, "scenes", 90000, 90002)
    phase("autoencoder", "autoencoder", "--work", work, "--steps", options.autoencoder)
    render(work, "pairs", 4, PAIRS)
    render(work, "scenes", 24, SCENES)
    phase("latents", "latents", "--work", work)
    phase("diffusion", "diffusion", "--work", work, "--steps", options.diffusion)
    phase("classifier", "classifier", "--work", work, "--steps", options.classifier)
    phase("few steps", "few_step", "--work", work, "--steps", options.few_step)
    phase("decoder", "decoder", "--work", work, "--steps", options.decoder)
    phase("judge", "judge", "--work", work, "--steps", options.judge)
    phase("export", "export", "--work", work, "--out", out)
    phase("ranges for int8", "calibrate", "--model", out)
    phase("evaluation", "evaluate", "--work", work, "--model", out, "--out", work / "evaluation")


if __name__ == "__main__":
    main()
