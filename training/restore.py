"""Reads a published model folder back into checkpoints, so that a training can go on from it.

    python -m training.restore --model models/starter --work DIR

Writes DIR/autoencoder.pt and DIR/diffusion.pt (denoiser and text encoder), unless they exist, and checks every
restored net against ONNX Runtime. The optimisers start afresh. Encoder and latents stay what they are.
"""
import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

from . import common
from .autoencoder_net import CHANNELS, Decoder, Encoder
from .diffusion import build
from .text_encoder import token_ids
from .unet import EpsilonUNet

TOLERANCE = 1e-3    # largest difference between PyTorch and ONNX Runtime, in units of the output's deviation


def stored_weights(path):
    """Name -> float32 array of every weight in an ONNX file that `export` wrote.

    Convolutions, norms and embeddings keep their PyTorch names; the weight of a linear layer without bias is stored
    transposed under a made-up name, but the node that uses it carries the name of the layer.
    """
    graph = onnx.load(path).graph
    arrays = {i.name.removesuffix("_half"): numpy_helper.to_array(i).astype(np.float32) for i in graph.initializer}
    weights = {name: array for name, array in arrays.items() if not name.startswith("onnx::")}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1].startswith("onnx::"):
            layer = node.name.strip("/").removesuffix("/MatMul").replace("/", ".")
            weights[f"{layer}.weight"] = arrays[node.input[1]].T.copy()
    return weights


def restore(module, path):
    """Fills `module` with the weights of the ONNX file; a missing weight or a wrong shape is an error."""
    weights = stored_weights(path)
    module.load_state_dict({name: torch.from_numpy(weights[name]) for name in module.state_dict()})
    return module.eval()


def check(module, path, *inputs):
    """Compares the module's output with that of the ONNX net."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    got = session.run(None, {i.name: x.numpy() for i, x in zip(session.get_inputs(), inputs)})[0]
    with torch.no_grad():
        expected = module(*inputs).numpy()
    difference = float(np.abs(got - expected).max() / expected.std())
    print(f"{path.parent.name}: largest difference {difference:.1e} of the deviation")
    if difference > TOLERANCE:
        raise SystemExit(f"{path} does not fit the nets of this training: difference {difference:.1e}")
    return torch.from_numpy(got)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/starter"))
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    common.setup()
    net = lambda part: options.model / part / "model.onnx"

    pictures, latents = torch.rand(2, 3, 256, 256) * 2 - 1, torch.randn(2, CHANNELS, 16, 16)
    encoder, decoder = restore(Encoder(), net("vae_encoder")), restore(Decoder(), net("vae_decoder"))
    check(encoder, net("vae_encoder"), pictures)
    check(decoder, net("vae_decoder"), latents)

    unet, text_encoder = build()
    restore(text_encoder, net("text_encoder"))
    hidden = check(text_encoder, net("text_encoder"), token_ids(["a castle at night", "zzz"]))
    epsilon = restore(EpsilonUNet(unet), net("unet"))
    check(epsilon, net("unet"), latents, torch.tensor([999, 259]), hidden)

    nets = {"unet": unet, "text_encoder": text_encoder}
    states = {
        "autoencoder": {"encoder": encoder.state_dict(), "decoder": decoder.state_dict()},
        "diffusion": {f"{kind}{name}": net.state_dict() for name, net in nets.items() for kind in ("", "raw_")},
    }
    for name, state in states.items():
        path = options.work / f"{name}.pt"
        if path.exists():
            print(f"{path} exists and stays as it is")
        else:
            common.save_atomic(state, path)


if __name__ == "__main__":
    main()
