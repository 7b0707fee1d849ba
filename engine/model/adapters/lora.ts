import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../errors';
import { loraInput } from '../../net/onnx/patches/lora';
import { fileDigest } from '../fingerprint';
import { netNames } from '../roles';
import { inputNamed, portPerRow } from '../unet/ports/port';
import { weightOf } from '../unet/row';
import type { Adapter, AdapterKind, AdapterSource } from './adapter';
import { type LoraFile, readLora } from './lora-file';
import { withLora } from './lora-graph';

interface LoraAdapter extends Adapter {
  lora: LoraFile;
  /** The digest of its file: the whole header, and samples of the weights. */
  digest: string;
}

/** Providers that can skip the branch of an If without leaving their device. */
const SKIPPING = ['cpu', 'cuda'];
/** Providers whose FusedMatMul was tried. */
const TURNING = ['cpu'];

/**
 * LoRAs: W + s·(alpha ÷ rank)·B·A for many layers of a UNet and its text encoders, as branches beside the plain graph's
 * products, with a strength s for every row. The adapter is a .safetensors file, or a folder with one.
 */
export const loras: AdapterKind<LoraAdapter> = {
  kind: 'lora',

  async open(source) {
    const path = await fileOf(source);
    const lora = path === undefined ? undefined : await readLora(path);
    if (!lora) return undefined;
    const nets = netNames.filter((name) => lora.parts.has(name as never));
    const absent = nets.find((name) => source.headers[name] === undefined);
    if (absent) throw new EngineError('EBADMODEL', `it changes ${absent}, which this model does not have: it was made for another model`);
    return { name: source.name, kind: 'lora', lora, digest: await digestOf(lora) };
  },

  patches(net, adapters, executionProvider) {
    if (net !== 'unet' && net !== 'text_encoder' && net !== 'text_encoder_2') return [];
    const [kind] = executionProvider.split(':');
    const provider = { skips: SKIPPING.includes(kind), turns: TURNING.includes(kind) };
    return adapters
      .filter(({ lora }) => lora.parts.has(net))
      .map(({ name, lora, digest }) => ({
        name: `the LoRA ${name}`,
        fingerprint: `lora-${digest}`,
        apply(graph) {
          try {
            return withLora(graph, lora, net, loraInput(name), provider);
          } catch (thrown) {
            const { code, message } = EngineError.from(thrown, 'EBADMODEL');
            throw new EngineError(code, `the adapter "${name}": ${message}`, { cause: thrown });
          }
        },
      }));
  },

  ports: (adapters) =>
    adapters.map(({ name }) => (unet) => {
      const info = inputNamed(unet, loraInput(name));
      return info && portPerRow(info, (row) => Float32Array.of(weightOf(row, name)));
    }),
};

/** The file itself, or the only .safetensors file in a folder, as diffusers saves it; a folder that also has nets is of another kind. */
async function fileOf({ path, isFolder }: AdapterSource): Promise<string | undefined> {
  if (!isFolder) return path.endsWith('.safetensors') ? path : undefined;
  const files = (await readdir(path)).filter((file) => /\.(safetensors|onnx)$/.test(file));
  return files.length === 1 && files[0].endsWith('.safetensors') ? join(path, files[0]) : undefined;
}

async function digestOf({ parts, path }: LoraFile): Promise<string> {
  const modules = [...parts].map(([part, layers]) => [part, [...layers]]);
  return createHash('sha256')
    .update(JSON.stringify(modules))
    .update(await fileDigest(path))
    .digest('hex')
    .slice(0, 8);
}
