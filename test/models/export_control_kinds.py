"""Exports small random nets that steer a UNet in other ways than a ControlNet does, and records what PyTorch computes with them.

    python export_control_kinds.py ../fixtures/control-kinds

Needs torch, diffusers and onnx. Written are two UNets in the place of the reference model's, one shaped like Stable Diffusion 1 (`sd`)
and one like XL (`xl`, blocks without attention first); T2I-Adapters for both; a ControlNeXt; two UNets with ControlNets in them, as diffusers'
script and ONNX Runtime's demo export them; and cases.json with inputs and outputs as flat lists.
"""
import json
import sys
from pathlib import Path

import torch
from diffusers import ControlNetModel, T2IAdapter, UNet2DConditionModel
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.resnet import Downsample2D, ResnetBlock2D
from torch.nn.functional import adaptive_avg_pool2d

LATENT = 8
CHANNELS = (16, 32, 32)
WIDTH = 32


def unet(down, up):
    return UNet2DConditionModel(
        sample_size=LATENT, block_out_channels=CHANNELS, layers_per_block=2, norm_num_groups=4, cross_attention_dim=WIDTH,
        attention_head_dim=4, down_block_types=down, up_block_types=up,
    ).eval()


def sd():
    cross_down, cross_up = ["CrossAttnDownBlock2D"] * 2, ["CrossAttnUpBlock2D"] * 2
    return unet((*cross_down, "DownBlock2D"), ("UpBlock2D", *cross_up))


def xl():
    cross_down, cross_up = ["CrossAttnDownBlock2D"] * 2, ["CrossAttnUpBlock2D"] * 2
    return unet(("DownBlock2D", *cross_down), (*cross_up, "UpBlock2D"))


class ControlNeXt(torch.nn.Module):
    """As in https://github.com/dvlab-research/ControlNeXt, smaller: one residual of the picture and the timestep."""

    def __init__(self, out):
        super().__init__()
        self.time_proj = Timesteps(16, True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(16, 32)
        self.embedding = torch.nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.res = torch.nn.ModuleList(ResnetBlock2D(in_channels=16, out_channels=16, temb_channels=32, groups=4) for _ in range(2))
        self.down = torch.nn.ModuleList(Downsample2D(16, use_conv=True, out_channels=16, padding=1, name="op") for _ in range(2))
        self.out = torch.nn.Conv2d(16, out, 1)

    def forward(self, sample, timestep):
        emb = self.time_embedding(self.time_proj(timestep.expand(sample.shape[0])).to(sample.dtype))
        hidden = self.embedding(sample)
        for res, down in zip(self.res, self.down):
            hidden = down(res(hidden, emb))
        return self.out(hidden)


def crossed(control, sample, is_pooled_first):
    """The control with the mean and deviation of what it is added to, at its size."""
    moments = lambda x: (x.mean(dim=(1, 2, 3), keepdim=True), x.std(dim=(1, 2, 3), keepdim=True))
    if is_pooled_first:
        control = adaptive_avg_pool2d(control, sample.shape[-2:])
    (mean, deviation), (own_mean, own_deviation) = moments(sample), moments(control)
    control = (control - own_mean) * (deviation / (own_deviation + 1e-12)) + mean
    return adaptive_avg_pool2d(control, sample.shape[-2:])


class Steered(torch.nn.Module):
    """A UNet to which a ControlNeXt is added: behind its first convolution (XL), or its first block (SD 1)."""

    def __init__(self, net, place):
        super().__init__()
        self.net, self.place = net, place
        self.control = self.scale = None
        if place == "first":
            net.conv_in.register_forward_hook(lambda _, __, sample: self.added(sample, False))
        else:
            net.down_blocks[0].register_forward_hook(lambda _, __, out: (self.added(out[0], True), out[1]))

    def added(self, sample, is_pooled_first):
        if self.control is None:
            return sample
        return sample + self.scale.reshape(-1, 1, 1, 1) * crossed(self.control, sample, is_pooled_first)

    def forward(self, sample, timestep, states, control, scale):
        self.control, self.scale = control, scale
        out = self.net(sample, timestep, states, return_dict=False)[0]
        self.control = None
        return out


def export(net, args, path, inputs, outputs):
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = {name: {0: "batch", **({2: "height", 3: "width"} if arg.dim() == 4 else {})} for name, arg in zip(inputs, args)}
    torch.onnx.export(net, args, str(path), input_names=inputs, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False)


class Plain(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, sample, timestep, states):
        return self.net(sample, timestep, states, return_dict=False)[0]


class Baked(torch.nn.Module):
    """A UNet with its ControlNets, as in diffusers' convert_stable_diffusion_controlnet_to_onnx.py."""

    def __init__(self, net, controlnets):
        super().__init__()
        self.net, self.controlnets = net, torch.nn.ModuleList(controlnets)

    def forward(self, sample, timestep, states, conds, scales):
        down, mid = [], 0
        for cond, scale, controlnet in zip(conds, scales, self.controlnets):
            own, own_mid = controlnet(sample, timestep, states, controlnet_cond=cond, conditioning_scale=scale, return_dict=False)
            down = [a + b for a, b in zip(down, own)] if down else own
            mid = mid + own_mid
        return self.net(
            sample, timestep, states, down_block_additional_residuals=down, mid_block_additional_residual=mid, return_dict=False
        )[0]


def baked(count):
    net = UNet2DConditionModel(
        sample_size=LATENT, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=WIDTH,
        attention_head_dim=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()
    controlnets = [ControlNetModel.from_unet(net, conditioning_embedding_out_channels=(4, 4, 4, 8)).eval() for _ in range(count)]
    for controlnet in controlnets:
        for zero in [*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block, controlnet.controlnet_cond_embedding.conv_out]:
            torch.nn.init.normal_(zero.weight, std=0.3)
    return Baked(net, controlnets)


def export_baked(name, count, inputs, scales, tensors, folder):
    """@return what every row gives, each computed alone at its own scales"""
    sample, timestep, states, pixels, weights = tensors
    net = baked(count)
    others = torch.stack([pixels, pixels.flip(-1)])[:count]
    args = (sample[:2], timestep[:1], states[:2], others[:, :2], scales)
    path = folder / name / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    free = {"sample": {0: "2B", 2: "H", 3: "W"}, "encoder_hidden_states": {0: "2B"}, inputs[0]: {1: "2B", 3: "8H", 4: "8W"}}
    names = ["sample", "timestep", "encoder_hidden_states", *inputs]
    torch.onnx.export(net, args, str(path), input_names=names, output_names=["noise_pred"], dynamic_axes=free, opset_version=17, dynamo=False)
    of_row = lambda k: torch.stack([weights[k], 0.5 - weights[k]])[:count].reshape(scales.shape)
    one = lambda k: net(sample[k : k + 1], timestep[k : k + 1], states[k : k + 1], others[:, k : k + 1], of_row(k))
    return torch.cat([one(k) for k in range(len(sample))])


def flat(tensor):
    return {"shape": list(tensor.shape), "data": [round(float(x), 7) for x in tensor.flatten()]}


def main(folder):
    torch.manual_seed(7)
    rows = 3
    sample = torch.randn(rows, 4, LATENT, LATENT)
    timestep = torch.tensor([999.0, 500.0, 20.0])
    states = torch.randn(rows, 77, WIDTH)
    picture = torch.randint(0, 256, (rows, 3, 8 * LATENT, 8 * LATENT), dtype=torch.uint8)
    pixels = picture / 255
    luma = (0.299 * pixels[:, 0] + 0.587 * pixels[:, 1] + 0.114 * pixels[:, 2]).unsqueeze(1)
    weights = torch.tensor([1.0, -0.4, 0.6])
    cases = {name: flat(tensor) for name, tensor in dict(sample=sample, timestep=timestep, states=states, weights=weights).items()}
    cases["picture"] = {"shape": list(picture.shape), "data": picture.flatten().tolist()}
    with torch.no_grad():
        nets = {"sd": sd(), "xl": xl()}
        for name, net in nets.items():
            export(Plain(net), (sample, timestep, states), folder / name / "model.onnx", ["sample", "timestep", "encoder_hidden_states"], ["out_sample"])
            cases[f"{name}/plain"] = flat(net(sample, timestep, states).sample)
        scale = weights.reshape(-1, 1, 1, 1)
        adapters = {
            "sd": T2IAdapter(in_channels=1, channels=CHANNELS, num_res_blocks=1, downscale_factor=8, adapter_type="full_adapter").eval(),
            # As T2I-Adapter-XL: the first feature at half the latents' size, the last one for the middle.
            "xl": XlFeatures().eval(),
        }
        for name, adapter in adapters.items():
            seen = luma if name == "sd" else pixels
            features = [3 * feature for feature in adapter(seen)]
            export(Scaled(adapter), (seen,), folder / f"t2i-{name}" / "model.onnx", ["image"], [f"feature_{k}" for k in range(len(features))])
            steered = nets[name](sample, timestep, states, down_intrablock_additional_residuals=[scale * each for each in features])
            cases[f"{name}/t2i"] = flat(steered.sample)
        next_ = ControlNeXt(CHANNELS[0]).eval()
        export(next_, (pixels, timestep), folder / "controlnext" / "model.onnx", ["sample", "timesteps"], ["controlnext_hidden_states"])
        control = next_(pixels, timestep)
        for name, place in (("sd", "block"), ("xl", "first")):
            cases[f"{name}/controlnext"] = flat(Steered(nets[name], place)(sample, timestep, states, control, weights))
        tensors = (sample, timestep, states, pixels, weights)
        diffusers, demo = ("controlnet_conds", "conditioning_scales"), ("controlnet_images", "controlnet_scales")
        cases["baked-diffusers"] = flat(export_baked("baked-diffusers", 2, diffusers, torch.randn(2, 1), tensors, folder))
        cases["baked-demo"] = flat(export_baked("baked-demo", 1, demo, torch.randn(1), tensors, folder))
    (folder / "cases.json").write_text(json.dumps(cases))


class Scaled(torch.nn.Module):
    """Random features are faint beside a UNet's own: thrice as strong they can be told."""

    def __init__(self, adapter):
        super().__init__()
        self.adapter = adapter

    def forward(self, image):
        return tuple(3 * feature for feature in self.adapter(image))


class XlFeatures(torch.nn.Module):
    """Features of the sizes at which T2I-Adapter-XL's are added: behind a block without attention, and behind the middle."""

    def __init__(self):
        super().__init__()
        self.net = T2IAdapter(in_channels=3, channels=(16, 32, 32), num_res_blocks=1, downscale_factor=16, adapter_type="full_adapter")

    def forward(self, image):
        first, second, third = self.net(image)
        same = torch.nn.functional.interpolate(second, scale_factor=2)
        return first, same, second, torch.tanh(second)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
