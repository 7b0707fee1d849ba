"""Stores the weights of an ONNX model as float16, while it keeps computing in float32.

Every large float32 initializer becomes a float16 one followed by a `Cast` to float32. ONNX Runtime folds these
casts into constants when it loads the model, so the file is half as large and the speed is that of float32.

    python -m training.onnx_half IN.onnx OUT.onnx
"""
import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MIN_ELEMENTS = 64   # shapes, scalars and other small constants stay as they are


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces float32 initializers with float16 ones and a Cast after them (in place)."""
    graph = model.graph
    casts = []
    for index, initializer in enumerate(graph.initializer):
        if initializer.data_type != TensorProto.FLOAT:
            continue
        weight = numpy_helper.to_array(initializer)
        if weight.size < MIN_ELEMENTS:
            continue
        name = initializer.name
        half = numpy_helper.from_array(np.clip(weight, -65504, 65504).astype(np.float16), name + "_half")
        graph.initializer[index].CopyFrom(half)
        casts.append(helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT, name=name + "_cast"))
    for node in reversed(casts):
        graph.node.insert(0, node)
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("target")
    options = parser.parse_args()
    onnx.save(halve_weights(onnx.load(options.source)), options.target)


if __name__ == "__main__":
    main()
