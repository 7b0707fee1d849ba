import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine, Output, RawImage, StreamOptions } from '../../engine';
import { Adapters } from '../../engine/model/adapters/adapters';
import { findFiles } from '../../engine/model/files';
import { patchedFingerprint } from '../../engine/model/fingerprint';
import { readHeaders } from '../../engine/model/headers';
import { REFERENCE_MODEL, ROOT, streamOptions } from './reference';

/** PyTorch's results with adapters on the reference model, and the adapters: ControlNets, LoRAs, an IP-Adapter. */
export const CONTROL = join(ROOT, 'test/fixtures/control');

export const PATHS = {
  depth: join(CONTROL, 'controlnet/depth'),
  lines: join(CONTROL, 'controlnet/lines/model.onnx'),
  style: join(CONTROL, 'lora/style.safetensors'),
  detail: join(CONTROL, 'lora/detail.safetensors'),
  picture: join(CONTROL, 'ip-adapter'),
};

type Case = Parameters<typeof streamOptions>[0]['case'] & {
  /** Strengths by name. */
  controls?: Record<string, number>;
  loras?: Record<string, number>;
  ip_adapter?: { scale: number };
};

interface Entry {
  offset: number;
  bytes: number;
  shape: number[];
}

interface Cases {
  token_ids: Record<string, number[]>;
  cases: Record<string, { case: Case; tensors: Record<string, Entry> }>;
}

export interface ControlCase {
  case: Case;
  tokenIds: Record<string, number[]>;
  options: StreamOptions;
  /** The computed x0 of frame f, [4, 8, 8]. */
  x0(frame: number): Float32Array;
  /** The pictures of frame f: its own as `image`, and control pictures by the names of their ControlNets. */
  pictures(frame: number): Record<string, RawImage>;
  /** The picture prompt, if there is one. */
  prompt(): RawImage | undefined;
}

/** Names of the cases. */
export function controlCases(): string[] {
  return Object.keys(recorded().cases);
}

/** Renders a case with an engine that has these adapters; those that the case does not name are off. */
export async function paintCase(engine: Engine, { case: settings, tokenIds, ...reference }: ControlCase): Promise<Output[]> {
  const weights = {
    ...Object.fromEntries(engine.info.adapters.map(({ name }) => [name, 0])),
    ...settings.controls,
    ...settings.loras,
    ...(settings.ip_adapter && { picture: settings.ip_adapter.scale }),
  };
  const image = reference.prompt();
  const stream = await engine.createStream({ ...reference.options, weights });
  await stream.setPrompt({
    tokenIds: tokenIds[settings.prompt],
    negativeTokenIds: tokenIds[settings.negative_prompt],
    ...(image && { images: { picture: image } }),
  });
  const outputs: Output[] = [];
  for (let frame = 0; frame < settings.frames; frame++)
    outputs.push(...(await stream.process({ id: frame, pictures: reference.pictures(frame) })));
  await stream.close();
  return outputs;
}

export function controlCase(name: string): ControlCase {
  const { token_ids: tokenIds, cases } = recorded();
  const { case: settings, tensors } = cases[name];
  const bytes = readFileSync(join(CONTROL, 'cases.bin'));
  const slice = ({ offset, bytes: length }: Entry): Uint8Array => Uint8Array.prototype.slice.call(bytes, offset, offset + length);
  const planes = (entry: Entry, index: number): RawImage => {
    const [height, width] = entry.shape.slice(-2);
    const from = slice(entry).subarray(index * 3 * height * width);
    const data = new Uint8Array(3 * height * width);
    for (let k = 0; k < height * width; k++) for (let c = 0; c < 3; c++) data[3 * k + c] = from[c * height * width + k];
    return { data, width, height, channels: 3 };
  };
  return {
    case: settings,
    tokenIds,
    options: streamOptions({ case: settings } as Parameters<typeof streamOptions>[0]),
    x0(frame) {
      // The reference's call f + n − 1 gives frame f.
      const call = frame + settings.t_index_list.length - 1;
      return new Float32Array(slice(tensors.x0).buffer).slice(call * 256, (call + 1) * 256);
    },
    pictures(frame) {
      const controls = Object.entries(tensors).filter(([key]) => key.startsWith('control_'));
      return {
        image: planes(tensors.frames, frame),
        ...Object.fromEntries(controls.map(([key, entry]) => [key.slice('control_'.length), planes(entry, frame)])),
      };
    },
    prompt: () => (tensors.ip_picture ? planes(tensors.ip_picture, 0) : undefined),
  };
}

/** The fingerprint of the reference model's UNet with adapters. */
export async function fingerprintWith(paths: Record<string, string>): Promise<string> {
  const files = await findFiles(REFERENCE_MODEL);
  const adapters = await Adapters.open(paths, { files, headers: await readHeaders(files) });
  return patchedFingerprint('unet', adapters.patches('unet', 'cpu'));
}

let cases: Cases | undefined;

function recorded(): Cases {
  cases ??= JSON.parse(readFileSync(join(CONTROL, 'cases.json'), 'utf8')) as Cases;
  return cases;
}
