"""Finds the ranges of the tensors in a published model's nets, so that the engine can compute in int8.

    python -m training.calibrate --model models/starter

Writes int8.json beside the nets of the UNet and autoencoder, in a minute; `--nets` limits it to some nets, and the ranges of
the others stay. The pictures are made here: camera-like frames and scenes, denoised in one, two and four steps, from text and
from pictures. The weights stay float16; the engine rounds them when it opens a net, on CPUs that are made for int8, and uses
them unchanged elsewhere.
"""
import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from .attributes import sample_attributes
from .captions import caption
from .control_maps import KINDS, as_input, control_maps, control_picture
from .figures import figure_frame
from .frames import camera_frame
from .layout import sample_layout
from .onnx_control import with_residuals
from .onnx_pipeline import OnnxPipeline
from .scenes import render

NETS = ("unet", "vae_encoder", "vae_decoder", "controlnet/shape")
HEAVY = ("Conv", "Gemm", "MatMul")
# Frames of each kind, and the steps of each as indices into the schedule; 0 is pure noise.
COUNT = 24
# How many values of every tensor are kept from each run.
SAMPLES = 8192
# Shares of the largest and of the smallest value that are tried as ends of a range.
SHARES = (1, .85, .7, .6, .5, .4, .32, .25, .2, .15)
# How much more clipping costs than rounding, since it always hits the same few features, such as a moon.
CLIPPED = 100
T_INDICES = [(0,), (0, 25), (0, 16, 32, 45), (16,), (25,), (16, 30), (25, 38), (15, 23, 30, 38), (20, 30, 38, 44)]


def best_range(values, low, high):
    """The range with the least mean squared error: values outside are clipped, values inside are rounded to 255 steps.

    A few values are far larger than all others. A range that holds all of them would round the others so coarsely that a
    still scene shimmers under camera noise, 1.5 to 2 times as much as with the ranges found here.
    """
    def cost(low, high):
        low, high = min(low, 0), max(high, 1e-6)
        scale = (high - low) / 255
        zero = round(-low / scale)
        squares = ((np.clip(np.round(values / scale) + zero, 0, 255) - zero) * scale - values) ** 2
        return float(np.mean(np.where((values < low) | (values > high), CLIPPED * squares, squares)))

    return min(((low * a, high * b) for a in SHARES for b in SHARES), key=lambda ends: cost(*ends))


def tensors_of(graph, exact_end):
    """Names of the inputs and outputs of the operators that matter, and which of them share the range of another tensor.

    The net's inputs stay exact, and so do 1 × 1 convolutions: they are cheap, and carry features past the others. Left in
    float32 they make the error of a picture four times smaller. `exact_end`: the last operator stays exact as well.
    """
    shapes = {i.name: i.dims for i in graph.initializer}
    shapes |= {n.output[0]: shapes[n.input[0]] for n in graph.node if n.op_type == "Cast" and n.input[0] in shapes}
    given = {i.name for i in graph.input}
    users = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)

    def result(node):
        """The output of a node, or of the ReLU after it, which is fused."""
        following = users[node.output[0]]
        return following[0].output[0] if len(following) == 1 and following[0].op_type == "Relu" else node.output[0]

    names, alike = {}, {}
    for node in graph.node:
        if node.op_type not in HEAVY or node.input[1] not in shapes or node.input[0] in given:
            continue
        if node.op_type == "Conv" and list(shapes[node.input[1]][2:]) == [1, 1]:
            continue
        names[node.input[0]] = True
        if node.op_type == "Conv":
            names[result(node)] = True
    for node in graph.node:
        if node.op_type == "Resize" and node.output[0] in names:
            names[node.input[0]] = True
            alike[node.output[0]] = node.input[0]
    left_out = {o.name for o in graph.output}
    if exact_end:
        last = [node for node in graph.node if node.op_type in HEAVY][-1]
        left_out |= {last.input[0], last.output[0]}
    return [name for name in names if name not in left_out], alike


class Observer:
    """Replaces one net of a pipeline, and records the ranges of its tensors at every run.

    `like`: the observer of the same net without further inputs, to which these ranges are added.
    """

    def __init__(self, model, options, exact_end, like=None):
        self.inputs, self.outputs = [i.name for i in model.graph.input], len(model.graph.output)
        self.tensors, self.alike = (like.tensors, like.alike) if like else tensors_of(model.graph, exact_end)
        inner = [name for name in self.tensors if name not in self.inputs]
        self.names = [o.name for o in model.graph.output] + inner
        model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in inner)
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        self.ranges, self.values = (like.ranges, like.values) if like else ({}, defaultdict(list))

    def get_inputs(self):
        return self.session.get_inputs()

    def run(self, _, feeds):
        values = self.session.run(self.names, feeds)
        for name, value in [*zip(self.names, values), *feeds.items()]:
            # A tensor with one row per picture, such as the time embedding, costs nothing, affects everything, and would be
            # rounded differently in a batch than alone, so it stays in float32.
            if name in self.tensors and value.ndim > 2:
                low, high = self.ranges.get(name, (np.inf, -np.inf))
                self.ranges[name] = min(low, float(value.min())), max(high, float(value.max()))
                self.values[name].append(value.ravel()[::max(1, value.size // SAMPLES)].copy())
        return values[:self.outputs]

    def write(self, path):
        ranges = {name: best_range(np.concatenate(self.values[name]), *ends) for name, ends in self.ranges.items()}
        for output, source in self.alike.items():
            ranges[output] = ranges[source]
        lines = [f" {json.dumps(name)}: [{ranges[name][0]:.6g}, {ranges[name][1]:.6g}]" for name in self.tensors if name in ranges]
        path.write_text('{"ranges": {\n' + ",\n".join(lines) + "\n}}\n")
        print(f"{path}: {len(ranges)} tensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/starter"))
    parser.add_argument("--nets", nargs="+", choices=NETS, help="default: all that there are")
    options = parser.parse_args()

    pipeline = OnnxPipeline(options.model)
    options.nets = options.nets or [net for net in NETS if (options.model / net).is_dir()]
    branch = "controlnet/shape"
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = 2
    # At the end of the UNet tensors are small, so exactness costs nothing there.
    observers = {net: Observer(onnx.load(options.model / net / "model.onnx"), session_options, exact_end=net == "unet")
                 for net in options.nets}
    pipeline.sessions.update({"control" if net == branch else net: observer for net, observer in observers.items()})
    if pipeline.residuals and "unet" in observers:
        graph, _ = with_residuals(options.model / "unet" / "model.onnx")
        pipeline.sessions["controlled_unet"] = Observer(onnx.load_from_string(graph), session_options, True, like=observers["unet"])

    rng = np.random.default_rng(0)
    scenes = [(attributes := sample_attributes(rng), sample_layout(rng, attributes)) for _ in range(COUNT)]
    pictures = np.stack([render(*scene) for scene in scenes] + [camera_frame(rng) for _ in range(COUNT)])
    text = pipeline.encode_texts([caption(rng, attributes) for attributes, _ in scenes] + [caption(rng, sample_attributes(rng)) for _ in range(COUNT)])
    latents = pipeline.encode(pictures)
    alone = options.nets == [branch]    # then nothing is seen without it
    if not alone:
        pipeline.decode(latents)
    if pipeline.residuals:
        shown = [figure_frame(rng) for _ in range(COUNT)]
        seen = [(frame, control_maps(rng, frame, figure)) for frame, figure in shown]
        visitors = pipeline.encode(np.stack([frame for frame, _ in shown]))
    for t_index in T_INDICES:
        noises = rng.standard_normal((len(t_index), *latents.shape)).astype(np.float32)
        if not alone:
            pipeline.decode(pipeline.sample(text, t_index, noises, start=latents if t_index[0] else None))
        if pipeline.residuals and t_index[0]:
            control = as_input(np.stack([control_picture(*pair, KINDS[(k + t_index[0]) % len(KINDS)]) for k, pair in enumerate(seen)]))
            pipeline.decode(pipeline.sample(text[-COUNT:], t_index, noises[:, -COUNT:], start=visitors, control=control))
    for net, observer in observers.items():
        observer.write(options.model / net / "int8.json")


if __name__ == "__main__":
    main()
