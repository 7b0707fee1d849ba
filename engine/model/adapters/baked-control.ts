import { toTensor } from '../../image/pixels';
import type { TensorInfo } from '../../net/net';
import { scalesPerRow } from '../../net/onnx/patches/scales-per-row';
import { tensorOf } from '../../net/tensor';
import { checkDims, fixed } from '../rows';
import { type ClaimPort, type Feeds, inputNamed, type Run } from '../unet/ports/port';
import { type UnetRow, weightOf } from '../unet/row';
import type { Adapter, AdapterKind } from './adapter';

/** The names that exports give to the pictures [N, B, 3, H, W] and the scales [N, 1] or [N] of the ControlNets in them. */
const INPUTS = [
  // diffusers' convert_stable_diffusion_controlnet_to_onnx.py
  { pictures: 'controlnet_conds', scales: 'conditioning_scales' },
  // ONNX Runtime's demo of Stable Diffusion
  { pictures: 'controlnet_images', scales: 'controlnet_scales' },
];

interface BakedControlNet extends Adapter {
  /** Its index among the N in the UNet. */
  index: number;
}

/**
 * ControlNets that were exported as part of a UNet. They have no files and are always present, as `control`, or as
 * `control-1`, `control-2` … where there are several. Their nets are computed in every run, whatever their strengths.
 */
export const bakedControlNets: AdapterKind<BakedControlNet> = {
  kind: 'controlnet',

  open: () => Promise.resolve(undefined),

  inModel({ unet }) {
    const baked = unet && bakedIn(unet.inputs);
    if (!baked) return [];
    return Array.from({ length: baked.count }, (_, index) => ({
      name: baked.count === 1 ? 'control' : `control-${index + 1}`,
      kind: 'controlnet',
      picture: 'frame',
      isAlwaysComputed: true,
      index,
      prepare: (picture) => Promise.resolve(toTensor(picture, '0..1')),
    }));
  },

  patches(net) {
    if (net !== 'unet') return [];
    return INPUTS.map(({ scales }) => ({
      name: 'a scale per row for each ControlNet',
      optional: true,
      apply: (graph) => scalesPerRow(graph, scales),
    }));
  },

  ports: (adapters) => [bakedPort(adapters)],
};

interface Baked {
  pictures: TensorInfo;
  scales: TensorInfo;
  count: number;
}

function bakedIn(inputs: readonly TensorInfo[]): Baked | undefined {
  for (const names of INPUTS) {
    const [pictures, scales] = [inputNamed({ inputs }, names.pictures), inputNamed({ inputs }, names.scales)];
    if (!pictures || !scales || pictures.shape.length !== 5) continue;
    return { pictures, scales, count: fixed(pictures.shape[0]) ?? fixed(scales.shape[0]) ?? 1 };
  }
  return undefined;
}

/**
 * Fills the pictures and scales of all ControlNets in a UNet. A row without a picture gets a black one at scale 0. Where the
 * export has one scale for all rows, rows with different strengths cannot share a run.
 */
function bakedPort(adapters: readonly BakedControlNet[]): ClaimPort {
  return ({ inputs, factor }) => {
    const baked = bakedIn(inputs);
    if (!baked) return undefined;
    const { pictures, scales, count } = baked;
    const isPerRow = scales.shape.length === 5;
    const strengths = (row: UnetRow): number[] => {
      const own = new Array<number>(count).fill(0);
      for (const { name, index } of adapters) if (row.pictures?.[name] !== undefined) own[index] = weightOf(row, name);
      return own;
    };
    const scaleOf = ({ rows, batch }: Run): Feeds[string] => {
      const dims = isPerRow ? [count, batch, 1, 1, 1] : scales.shape.map((size) => fixed(size) ?? count);
      if (!isPerRow) return tensorOf(scales.type, Float32Array.from(strengths(rows[0])), dims);
      const values = new Float32Array(count * batch);
      rows.forEach((row, k) => {
        strengths(row).forEach((strength, index) => {
          values[index * batch + k] = strength;
        });
      });
      return tensorOf(scales.type, values, dims);
    };
    return {
      inputs: [pictures, scales],
      notes: ['This unet contains ControlNets, which are computed with every frame; as files of their own they cost less.'],
      ...(!isPerRow && { keyOf: (row) => strengths(row).join(':') }),
      fill(run) {
        const { rows, batch, height, width } = run;
        const dims = [count, batch, 3, height * factor, width * factor];
        checkDims('unet', pictures, dims, factor);
        const length = 3 * height * width * factor * factor;
        const values = new Float32Array(count * batch * length);
        for (const { name, index } of adapters) {
          rows.forEach((row, k) => {
            const picture = row.pictures?.[name] as Float32Array | undefined;
            if (picture) values.set(picture, (index * batch + k) * length);
          });
        }
        return { [pictures.name]: tensorOf(pictures.type, values, dims), [scales.name]: scaleOf(run) };
      },
    };
  };
}
