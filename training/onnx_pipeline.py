"""Runs an exported model folder with ONNX Runtime, as the product does, for the evaluation."""
import json
import re
from pathlib import Path

import numpy as np
import onnxruntime

from .onnx_control import with_residuals
from .schedule import ALPHAS_CUMPROD, LCM_TIMESTEPS

BATCH = 8


class OnnxPipeline:
    def __init__(self, folder):
        self.folder = Path(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.sessions = {part: onnxruntime.InferenceSession(str(self.folder / part / "model.onnx"), options)
                         for part in ("text_encoder", "unet", "vae_encoder", "vae_decoder")}
        branch = self.folder / "controlnet" / "shape" / "model.onnx"
        self.residuals = []
        if branch.exists():
            graph, self.residuals = with_residuals(self.folder / "unet" / "model.onnx")
            self.sessions |= {"control": onnxruntime.InferenceSession(str(branch), options),
                              "controlled_unet": onnxruntime.InferenceSession(graph, options)}
        vae = json.loads((self.folder / "vae_encoder" / "config.json").read_text())
        self.channels, self.factor = vae["latent_channels"], 2 ** (len(vae["block_out_channels"]) - 1)
        self.tokenizer = json.loads((self.folder / "tokenizer" / "tokenizer.json").read_text())

    def run_all(self, part, *inputs):
        """All outputs of one net, run in small batches; all inputs have the same first dimension."""
        session = self.sessions[part]
        names = [i.name for i in session.get_inputs()]
        outputs = [session.run(None, {n: x[k:k + BATCH] for n, x in zip(names, inputs)}) for k in range(0, len(inputs[0]), BATCH)]
        return [np.concatenate(parts) for parts in zip(*outputs)]

    def run(self, part, *inputs):
        return self.run_all(part, *inputs)[0]

    def noise_in(self, x, times, text, control=None, weight=1.):
        """The noise that the UNet predicts; `control`: pictures [N, 3, H, W] in 0..1 for the control branch."""
        if control is None:
            return self.run("unet", x, times, text)
        residuals = self.run_all("control", x, times, text, control)
        return self.run("controlled_unet", x, times, text, *(np.float32(weight) * r for r in residuals))

    def encode_texts(self, texts):
        vocabulary, length = self.tokenizer["model"]["vocab"], self.tokenizer["padding"]["strategy"]["Fixed"]
        rows = []
        for text in texts:
            ids = [vocabulary.get(w, 1) for w in re.findall("[a-z]+", text.lower())][:length - 2]
            ids = [2, *ids, 3]
            rows.append(ids + [0] * (length - len(ids)))
        return self.run("text_encoder", np.array(rows, np.int64))

    def encode(self, pictures):
        """Encodes uint8 [N, H, W, 3] to latents."""
        return self.run("vae_encoder", (pictures.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2))

    def decode(self, latents):
        """Decodes latents to uint8 [N, H, W, 3]."""
        output = self.run("vae_decoder", latents)
        return ((np.clip(output, -1, 1) + 1) * 127.5).round().astype(np.uint8).transpose(0, 2, 3, 1)

    def latent_shape(self, count, width=256, height=256):
        return count, self.channels, height // self.factor, width // self.factor

    def sample(self, text, t_index, noises, start=None, guidance=1., negative=None, control=None):
        """Latents x0; arguments as in sampling.sample, in numpy; `control` as in noise_in."""
        x0 = start
        for k, noise in zip(t_index, noises):
            t = int(LCM_TIMESTEPS[k])
            a = float(ALPHAS_CUMPROD[t])
            x = noise if x0 is None else np.sqrt(a) * x0 + np.sqrt(1 - a) * noise
            x = x.astype(np.float32)
            times = np.full(len(x), t, np.int64)
            epsilon = self.noise_in(x, times, text, control)
            if guidance != 1:
                without = self.run("unet", x, times, negative)
                epsilon = without + guidance * (epsilon - without)
            x0 = ((x - np.sqrt(1 - a) * epsilon) / np.sqrt(a)).astype(np.float32)
        return x0


def noises(shape, steps, seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for _ in range(steps)]
