"""Reads a published model folder back into checkpoints, so that a training can go on from it.

    python -m training.restore --model models/starter --work DIR

Writes DIR/autoencoder.pt and DIR/diffusion.pt (denoiser and text encoder), and DIR/decoder.pt and DIR/control.pt where the
model has a light decoder and a control branch, unless they exist, and checks every restored net against ONNX Runtime. The
optimisers start afresh. The encoder and latents do not change. Words that are new to the model start as the mean of their
synonyms.
"""
import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

from . import common
from .autoencoder_net import CHANNELS, Decoder, Encoder, LightDecoder
from .control_net import ControlNet
from .diffusion import build
from .text_encoder import TextEncoder, token_ids
from .unet import EpsilonUNet
from .words import VOCABULARY, synonyms

TOLERANCE = 1e-3    # largest difference between PyTorch and ONNX Runtime, in standard deviations of the output


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
    """Fills `module` with the weights of the ONNX file; fails for a missing weight or a wrong shape."""
    weights = stored_weights(path)
    module.load_state_dict({name: torch.from_numpy(weights[name]) for name in module.state_dict()})
    return module.eval()


def check(module, path, *inputs):
    """Compares the module's output with that of the ONNX net."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    got = session.run(None, {i.name: x.numpy() for i, x in zip(session.get_inputs(), inputs)})[-1]
    with torch.no_grad():
        expected = module(*inputs)
    expected = (expected[-1] if isinstance(expected, list) else expected).numpy()
    difference = float(np.abs(got - expected).max() / expected.std())
    print(f"{path.parent.name}: largest difference {difference:.1e} of the deviation")
    if difference > TOLERANCE:
        raise SystemExit(f"{path} does not fit the nets of this training: difference {difference:.1e}")
    return torch.from_numpy(got)


def restored_decoder(path):
    """The light decoder, or the large one of an older model without a light one."""
    weights = stored_weights(path)
    for net in (LightDecoder(), Decoder()):
        if {name: tuple(value.shape) for name, value in net.state_dict().items()} == \
                {name: weights[name].shape for name in net.state_dict() if name in weights}:
            return restore(net, path)
    raise SystemExit(f"{path} has a decoder that this training does not know")


def with_words(text_encoder, known):
    """A text encoder for the current vocabulary that keeps what `text_encoder` learned with the vocabulary `known`."""
    result, weights = TextEncoder(), text_encoder.state_dict()
    old, new = weights["token_embedding.weight"], result.token_embedding.weight.detach().clone()
    for word, row in VOCABULARY.items():
        like = [known[word]] if word in known else [known[w] for w in sorted(synonyms(word)) if w in known]
        new[row] = old[like].mean(0) if like else old[known["<unk>"]] + .1 * new[row]
    result.load_state_dict({**weights, "token_embedding.weight": new})
    return result.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/starter"))
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    common.setup()
    net = lambda part: options.model / part / "model.onnx"

    pictures, latents = torch.rand(2, 3, 256, 256) * 2 - 1, torch.randn(2, CHANNELS, 16, 16)
    encoder, decoder = restore(Encoder(), net("vae_encoder")), restored_decoder(net("vae_decoder"))
    check(encoder, net("vae_encoder"), pictures)
    check(decoder, net("vae_decoder"), latents)

    known = json.loads((options.model / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]
    unet, text_encoder = build()[0], restore(TextEncoder(vocabulary=known), net("text_encoder"))
    hidden = check(text_encoder, net("text_encoder"), token_ids(["a castle at night", "zzz"], known))
    text_encoder = with_words(text_encoder, known)
    epsilon = restore(EpsilonUNet(unet), net("unet"))
    check(epsilon, net("unet"), latents, torch.tensor([999, 259]), hidden)

    nets = {"unet": unet, "text_encoder": text_encoder}
    light = isinstance(decoder, LightDecoder)
    states = {
        "autoencoder": {"encoder": encoder.state_dict(), **({} if light else {"decoder": decoder.state_dict()})},
        "diffusion": {name: net.state_dict() for name, net in nets.items()},
    }
    if light:
        states["decoder"] = {"decoder": decoder.state_dict()}
    branch = options.model / "controlnet" / "shape" / "model.onnx"
    if branch.exists():
        control = restore(ControlNet(), branch)
        check(control, branch, latents, torch.tensor([999, 259]), hidden, torch.rand(2, 3, 256, 256))
        states["control"] = {"control": control.state_dict()}
    for name, state in states.items():
        path = options.work / f"{name}.pt"
        if path.exists():
            print(f"{path} exists and stays as it is")
        else:
            common.save_atomic(state, path)


if __name__ == "__main__":
    main()
