import { posix } from 'node:path';
import { EngineError } from '../errors';
import { netAlone } from '../model/layouts';
import type { RepositoryFile } from './repository';

/** The largest LoRA, bytes; a larger file is a whole model for other programs. */
const LARGEST_LORA = 2e9;
/** The name that diffusers gives to a LoRA's file. */
const LORA = 'pytorch_lora_weights.safetensors';
/** The folders of a net that is the only one in its repository. */
const PLACES = ['.', 'controlnet', 'onnx'];

/**
 * The adapter in a repository without a model: an IP-Adapter (its image encoder and one .safetensors file), a net by
 * itself (a ControlNet, or one that draws or judges pictures) and ControlNets as `controlnet/NAME`, or a LoRA. A net that is
 * only in `onnx` counts where it takes pictures.
 *
 * @param folders the names of files by folder, '.' for the top
 * @returns the nets and the other files; undefined where there is no adapter
 * @throws ENOMODEL for a repository with several LoRAs, none of which has diffusers' name
 */
export function selectAdapter(
  repository: string,
  files: readonly RepositoryFile[],
  folders: ReadonlyMap<string, string[]>,
): { nets: string[]; others: string[] } | undefined {
  const named = (folder: string, ending: string): string[] => (folders.get(folder) ?? []).filter((name) => name.endsWith(ending));
  const netIn = (folder: string): string[] => {
    const alone = netAlone(named(folder, '.onnx'));
    return alone ? [posix.join(folder, alone)] : [];
  };
  const weights = named('.', '.safetensors');
  const encoder = netIn('image_encoder');
  if (encoder.length > 0 && weights.length === 1) return { nets: encoder, others: weights };

  const takesPictures = [...folders.values()].some((names) => names.includes('preprocessor_config.json'));
  const nets = PLACES.filter((place) => place !== 'onnx' || takesPictures).flatMap(netIn);
  const several = [...folders.keys()].filter((folder) => /^controlnet\/[^/]+$/.test(folder)).flatMap(netIn);
  if (nets.length + several.length > 0) return { nets: [...nets.slice(0, 1), ...several], others: [] };

  const isPipeline = files.some(({ path }) => path === 'model_index.json' || path.endsWith('.onnx'));
  const small = weights.filter((name) => (files.find(({ path }) => path === name)?.bytes ?? Infinity) <= LARGEST_LORA);
  if (isPipeline || small.length === 0) return undefined;
  if (small.includes(LORA)) return { nets: [], others: [LORA] };
  if (small.length === 1) return { nets: [], others: small };
  throw new EngineError(
    'ENOMODEL',
    `${repository} has several .safetensors files (${small.slice(0, 6).join(', ')}${small.length > 6 ? ' …' : ''}); ` +
      'download the one that you want from its page, and give its path as an adapter',
  );
}
