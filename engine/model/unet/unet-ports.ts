import { EngineError } from '../../errors';
import type { Net, TensorInfo } from '../../net/net';
import { fixed, fixedSize, pick } from '../rows';

/** The inputs and the output of a UNet, under whatever names its export has given them. */
export interface UnetPorts {
  /** [B, C, h, w] */
  sample: TensorInfo;
  /** [B], [1] or without a dimension */
  timestep: TensorInfo;
  /** [B, tokens, width] */
  hiddenStates: TensorInfo;
  /** SDXL: an embedding of the whole prompt, [B, D]. */
  textEmbeds?: TensorInfo;
  /** SDXL: sizes of the picture, [B, 6]. */
  timeIds?: TensorInfo;
  /** Distilled models: an embedding of the guidance, [B, D]. */
  guidance?: TensorInfo;
  /** [B, C, h, w] */
  output: TensorInfo;
}

/** @throws EBADMODEL when the net is no UNet of a latent diffusion model, or needs inputs that are not known */
export function unetPorts(net: Net): UnetPorts {
  const named = (name: string): TensorInfo | undefined => net.inputs.find((info) => info.name === name);
  const ports = {
    sample: pick('unet', net.inputs, 'input', ['sample', 'latent']),
    timestep: pick('unet', net.inputs, 'input', ['timestep', 'timesteps']),
    hiddenStates: pick('unet', net.inputs, 'input', ['encoder_hidden_states']),
    textEmbeds: named('text_embeds'),
    timeIds: named('time_ids'),
    guidance: named('timestep_cond'),
    output: pick('unet', net.outputs, 'output', ['out_sample', 'sample']),
  };
  if (ports.sample.shape.length !== 4 || ports.hiddenStates.shape.length !== 3) {
    throw new EngineError(
      'EBADMODEL',
      'unet must take latents [B, C, h, w] and embeddings [B, tokens, width]; this is another kind of net',
    );
  }
  const unknown = net.inputs.find((info) => !Object.values(ports).includes(info));
  if (unknown) {
    throw new EngineError(
      'EBADMODEL',
      `unet needs the input "${unknown.name}", which belongs to another family of models; use one shaped like Stable Diffusion 1, 2 or XL`,
    );
  }
  return ports;
}

/** Whether the export knows one timestep a run only, so that rows at different steps cannot share one. */
export function takesOneTimestep({ sample, timestep }: UnetPorts): boolean {
  const timesteps = timestep.shape.length === 0 ? 1 : fixed(timestep.shape[0]);
  return timesteps === 1 && fixed(sample.shape[0]) !== 1;
}

/**
 * What one should know about an export, in sentences.
 *
 * @param factor picture size ÷ latent size
 */
export function notesOnPorts(ports: UnetPorts, factor: number): string[] {
  const { sample, guidance } = ports;
  const notes: string[] = [];
  const otherwise = 'an export without that limit is faster.';
  if (takesOneTimestep(ports)) notes.push(`This unet takes one timestep a run, so steps cannot share a run; ${otherwise}`);
  const batch = fixed(sample.shape[0]);
  if (batch !== undefined) notes.push(`This unet was exported for batches of ${batch}; ${otherwise}`);
  const size = fixedSize(sample.shape);
  if (size) notes.push(`This unet was exported for pictures of ${size[1] * factor}×${size[0] * factor} only.`);
  if (guidance) {
    notes.push(
      "This model was distilled to take its guidance as an input: with cfgType 'none', guidanceScale is that input; other types guide it from outside.",
    );
  }
  return notes;
}
