import { EngineError } from '../../errors';
import { toTensor } from '../../image/pixels';
import type { TensorInfo } from '../../net/net';
import { inputName } from '../../net/onnx/edit';
import { withControlInputs } from '../../net/onnx/patches/control';
import { readHeader } from '../headers';
import type { NetFiles } from '../layouts';
import type { FamilyRole } from '../roles';
import { inputNamed } from '../unet/ports/port';
import type { Adapter, AdapterKind } from './adapter';
import { ControlNet } from './control-net';
import { ControlPicture } from './control-picture';
import { controlPort, isResidual } from './control-port';
import { netFileOf } from './net-file';

/** A ControlNet of a model. */
interface ControlNetAdapter extends Adapter {
  role: FamilyRole;
  file: NetFiles;
  /** The type of the inputs that are added to a UNet without inputs for residuals. */
  type: 'float32' | 'float16';
}

/**
 * ControlNets: a net beside the UNet that computes residuals from a control picture, which are added to the UNet's features.
 * The adapter is a folder with model.onnx, or an .onnx file. UNets that were exported with inputs for residuals are used as
 * they are, others are given such inputs.
 */
export const controlNets: AdapterKind<ControlNetAdapter> = {
  kind: 'controlnet',

  async open(source) {
    const file = await netFileOf(source);
    if (!file) return undefined;
    const role: FamilyRole = `controlnet/${source.name}`;
    const header = await readHeader(role, file, source);
    if (header.outputs.length < 2 || !takesPicture(header.inputs)) return undefined;
    const unet = source.headers.unet;
    return {
      name: source.name,
      kind: 'controlnet',
      picture: 'frame',
      role,
      file,
      nets: { [role]: file },
      type: unet && inputNamed(unet, 'sample')?.type === 'float16' ? 'float16' : 'float32',
      prepare: (picture, _nets, frames) => Promise.resolve(new ControlPicture(toTensor(picture, '0..1'), frames > 1)),
    };
  },

  patches(net, [{ type }]) {
    if (net !== 'unet') return [];
    return [
      {
        name: 'inputs for residuals',
        fingerprint: 'control',
        apply(graph) {
          if (graph.inputs.some((input) => isResidual(inputName(input)))) return undefined;
          const changed = withControlInputs(graph, type);
          if (changed) return changed;
          throw new EngineError(
            'EBADMODEL',
            'this UNet joins no skip tensors, so there is nothing for a ControlNet to add to; use a model shaped like Stable Diffusion',
          );
        },
      },
    ];
  },

  ports: (adapters, nets) => [
    (unet) =>
      controlPort(
        adapters.flatMap(({ name, role, file }) => {
          const net = nets[role];
          return net ? [new ControlNet(name, net, file.config, unet.factor)] : [];
        }),
      )(unet),
  ],
};

/** Whether a net takes latents, a timestep, a prompt and one more input with height and width: a picture. */
function takesPicture(inputs: readonly TensorInfo[]): boolean {
  const has = (name: string): boolean => inputs.some((info) => info.name === name);
  const pictures = inputs.filter(({ name, shape }) => shape.length === 4 && name !== 'sample');
  return has('sample') && has('timestep') && has('encoder_hidden_states') && pictures.length === 1;
}
