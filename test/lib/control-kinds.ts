import { cp, mkdir } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RawImage } from '../../engine';
import type { Model } from '../../engine/model/model';
import type { UnetRow } from '../../engine/model/unet/row';
import { REFERENCE_MODEL, ROOT } from './reference';

/** Nets that steer a UNet in other ways than a ControlNet, with PyTorch's results: see test/models/export_control_kinds.py. */
const KINDS = join(ROOT, 'test/fixtures/control-kinds');

export function kindPath(name: string): string {
  return join(KINDS, name);
}

interface Recorded {
  shape: number[];
  data: number[];
}

let cases: Record<string, Recorded> | undefined;

export function recorded(name: string): Recorded {
  cases ??= JSON.parse(readFileSync(join(KINDS, 'cases.json'), 'utf8')) as Record<string, Recorded>;
  return cases[name];
}

/** The reference model with another UNet. */
export async function modelWith(unet: string, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await cp(REFERENCE_MODEL, folder, { recursive: true, filter: (path) => !path.includes('/unet') });
  await cp(unet, join(folder, 'unet'), { recursive: true });
  return folder;
}

/** Row `k` of a recorded tensor [B, …]. */
export function rowOf(name: string, k: number): Float32Array {
  const { shape, data } = recorded(name);
  const length = data.length / shape[0];
  return Float32Array.from(data.slice(k * length, (k + 1) * length));
}

export const ROWS = 3;

/** The recorded control picture of a row. */
export function pictureOf(k: number, isMirrored = false): RawImage {
  const [, , height, width] = recorded('picture').shape;
  const planes = rowOf('picture', k);
  const data = new Uint8Array(3 * height * width);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) data[3 * (y * width + x) + c] = planes[(c * height + y) * width + (isMirrored ? width - 1 - x : x)];
  return { data, width, height, channels: 3 };
}

/** The recorded rows, with these pictures and strengths by adapter. */
export async function rowsFor(
  model: Model,
  pictures: (k: number) => Record<string, RawImage>,
  weights: (k: number) => Record<string, number>,
): Promise<UnetRow[]> {
  return Promise.all(
    Array.from({ length: ROWS }, async (_, k) => {
      const given = pictures(k);
      const prepared: Record<string, unknown> = {};
      for (const adapter of model.adapters)
        if (given[adapter.name]) prepared[adapter.name] = await model.prepare(adapter, given[adapter.name]);
      return {
        sample: rowOf('sample', k),
        shape: { height: 8, width: 8 },
        timestep: recorded('timestep').data[k],
        conditioning: { hiddenStates: rowOf('states', k), tokens: 77, width: 32 },
        pictures: prepared,
        weights: weights(k),
      };
    }),
  );
}
