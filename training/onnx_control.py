"""Makes a plain UNet's graph take the residuals of a control branch, as the engine does, for the evaluation."""
import onnx
from onnx import TensorProto, helper


def with_residuals(path):
    """@returns the graph as bytes, and the names of its new inputs in the order of a ControlNet's outputs.

    The skip tensors are those that the up blocks' Concat nodes join to their hidden state, last one first; the middle's
    output is the hidden state of the first Concat.
    """
    model = onnx.load(path)
    graph = model.graph
    joins = [node for node in graph.node if node.op_type == "Concat" and len(node.input) == 2
             and any(a.name == "axis" and a.i == 1 for a in node.attribute)]
    names = [f"residual_{k}" for k in range(len(joins) + 1)]
    for node, name in zip(reversed(joins), names):
        add(graph, node, 1, name)
    add(graph, joins[0], 0, names[-1])
    graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    return model.SerializeToString(), names


def add(graph, node, position, name):
    source = node.input[position]
    graph.node.insert(list(graph.node).index(node), helper.make_node("Add", [source, name], [f"{source}+{name}"], name=f"add_{name}"))
    node.input[position] = f"{source}+{name}"
