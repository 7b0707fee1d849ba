import { EngineError } from '../../errors';
import type { Net, TensorInfo } from '../../net/net';
import { featureInput, withFeatureInputs } from '../../net/onnx/patches/features';
import { floatsOf, tensorOf } from '../../net/tensor';
import type { RawImage } from '../../types';
import { readHeader } from '../headers';
import { checkDims, fixed } from '../rows';
import type { FamilyRole } from '../roles';
import { inputNamed, type Run } from '../unet/ports/port';
import { type UnetRow, weightOf } from '../unet/row';
import type { Adapter, AdapterKind } from './adapter';
import { netFileOf } from './net-file';
import { type Added, type Residual, residualSum } from './residual-sum';

interface T2iAdapter extends Adapter {
  /** The channels of each feature, where the file tells. */
  channels: (number | undefined)[];
  /** The type of the UNet's inputs for the features. */
  type: 'float32' | 'float16';
}

/** The weights of red, green and blue in a grey picture. */
const LUMA = [0.299, 0.587, 0.114];

/**
 * T2I-Adapters (arXiv 2302.08453): a net that takes only the control picture and runs once per frame. Its features, from the
 * finest to the coarsest, are added to the contracting half of the UNet at every step. The adapter is a folder with model.onnx,
 * or an .onnx file: its input is one picture, in colour or grey, its outputs are a feature for every block.
 */
export const t2iAdapters: AdapterKind<T2iAdapter> = {
  kind: 't2i-adapter',

  async open(source) {
    const file = await netFileOf(source);
    if (!file) return undefined;
    const role: FamilyRole = `t2i_adapter/${source.name}`;
    const { inputs, outputs } = await readHeader(role, file, source);
    if (inputs.length !== 1 || inputs[0].shape.length !== 4 || outputs.length < 2 || outputs.some(({ shape }) => shape.length !== 4))
      return undefined;
    const unet = source.headers.unet;
    return {
      name: source.name,
      kind: 't2i-adapter',
      picture: 'frame',
      nets: { [role]: file },
      channels: inOrder(outputs).map(({ shape }) => fixed(shape[1])),
      type: unet && inputNamed(unet, 'sample')?.type === 'float16' ? 'float16' : 'float32',
      prepare: (picture, nets) => featuresOf(source.name, picture, nets[role]),
    };
  },

  patches(net, adapters) {
    if (net !== 'unet') return [];
    // All are added in the same places; the adapter with the most features determines which.
    const [widest] = [...adapters].sort((a, b) => b.channels.length - a.channels.length);
    return [
      {
        name: `the T2I-Adapter ${widest.name}`,
        fingerprint: 'features',
        apply(graph) {
          try {
            return withFeatureInputs(graph, widest.channels, widest.type);
          } catch (thrown) {
            const { code, message } = EngineError.from(thrown, 'EBADMODEL');
            throw new EngineError(code, `the adapter "${widest.name}": ${message}`, { cause: thrown });
          }
        },
      },
    ];
  },

  ports: (adapters) => [
    (unet) => {
      const inputs = unet.inputs
        .filter(({ name }) => featureInput(name))
        .sort((a, b) => (featureInput(a.name)?.at ?? 0) - (featureInput(b.name)?.at ?? 0));
      if (inputs.length === 0) return undefined;
      for (const adapter of adapters) checkFit(adapter, inputs);
      return {
        inputs,
        fill(run) {
          const added = adapters.map(({ name }) => addedBy(name, run.rows)).filter(({ rows }) => rows.length > 0);
          for (const { name, residuals } of added) for (const features of residuals) checkSizes(name, features, inputs, run);
          return Object.fromEntries(
            inputs.map((info, k) => [
              info.name,
              residualSum(
                info,
                k,
                added.filter(({ residuals }) => k < residuals[0].length),
                run,
              ),
            ]),
          );
        },
      };
    },
  ],
};

function addedBy(name: string, rows: readonly UnetRow[]): Added {
  const used = rows.flatMap((row, index) => (row.pictures?.[name] !== undefined && weightOf(row, name) !== 0 ? [index] : []));
  return { name, rows: used, residuals: used.map((index) => rows[index].pictures?.[name] as Residual[]) };
}

/** Sorted by the last numbers in their names where all have one, otherwise in their own order. */
function inOrder(outputs: readonly TensorInfo[]): TensorInfo[] {
  const number = ({ name }: TensorInfo): number => Number(/(\d+)\D*$/.exec(name)?.[1]);
  return outputs.every((info) => !Number.isNaN(number(info))) ? [...outputs].sort((a, b) => number(a) - number(b)) : [...outputs];
}

/** The features of a picture at the stream's size. @throws EBADPARAM where the net is made for another size */
async function featuresOf(name: string, { data, width, height }: RawImage, net: Net): Promise<Residual[]> {
  const [info] = net.inputs;
  const batch = fixed(info.shape[0]) ?? 1;
  const channels = fixed(info.shape[1]) ?? 3;
  const size = width * height;
  const values = new Float32Array(batch * channels * size);
  for (let at = 0; at < size; at++) {
    const [red, green, blue] = [data[3 * at], data[3 * at + 1], data[3 * at + 2]];
    if (channels === 1) values[at] = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue) / 255;
    else for (let c = 0; c < 3; c++) values[c * size + at] = data[3 * at + c] / 255;
  }
  const dims = [batch, channels, height, width];
  checkDims(`the T2I-Adapter ${name}`, info, dims, 1);
  const outputs = await net.run({ [info.name]: tensorOf(info.type, values, dims) });
  return inOrder(net.outputs).map((output) => {
    const [, ...own] = outputs[output.name].dims;
    const length = own.reduce((a, b) => a * b, 1);
    return { data: floatsOf(outputs[output.name]).subarray(0, length), dims: own };
  });
}

/** @throws EBADMODEL where its features do not fit this UNet */
function checkFit({ name, channels }: T2iAdapter, inputs: readonly TensorInfo[]): void {
  if (channels.length < inputs.length - 1)
    throw new EngineError('EBADMODEL', `the adapter "${name}" gives ${channels.length} features, others of this model ${inputs.length}`);
  channels.forEach((given, k) => {
    const taken = fixed(inputs[k]?.shape[1]);
    if (given !== undefined && taken !== undefined && given !== taken)
      throw new EngineError('EBADMODEL', `the adapter "${name}": its feature ${k + 1} has ${given} channels, this UNet takes ${taken}`);
  });
}

/** @throws EBADMODEL for features of other sizes: an adapter for XL has the same channels */
function checkSizes(name: string, features: readonly Residual[], inputs: readonly TensorInfo[], { height, width }: Run): void {
  features.forEach(({ dims: [channels, ...size] }, k) => {
    const part = 2 ** (featureInput(inputs[k].name)?.halvings ?? 0);
    const wanted = [Math.ceil(height / part), Math.ceil(width / part)];
    if (size.join() === wanted.join()) return;
    throw new EngineError(
      'EBADMODEL',
      `the adapter "${name}": its feature ${k + 1} is [${[channels, ...size].join(', ')}], this UNet takes [${[channels, ...wanted].join(', ')}]: it was made for another model`,
    );
  });
}
