import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { printable } from '../../util/quote';

/** Files in which PyTorch keeps weights beside code. */
const PICKLED = /\.(bin|ckpt|pth?)$/;
const USABLE = /\.(onnx|safetensors)$/;

/**
 * Why a file or folder is none of these kinds of adapters, in a sentence: what is wrong with its files where their names tell it,
 * else which kinds there are.
 *
 * @param path as it was given
 * @param real the same, without links
 */
export async function whyUnknown(path: string, real: string, isFolder: boolean, kinds: readonly string[]): Promise<string> {
  const shown = printable(path, 1000);
  const files = isFolder ? (await readdir(real)).sort() : [basename(real)];
  const usable = files.filter((file) => USABLE.test(file));
  if (usable.length > 1 && usable.every((file) => file.endsWith('.safetensors')))
    return `${shown} has ${usable.length} .safetensors files (${listed(usable)}); leave only the one that is meant in the folder`;
  const pickled = files.filter((file) => PICKLED.test(file));
  if (pickled.length > 0 && usable.length === 0)
    return `${shown} is in PyTorch's own format (${listed(pickled)}), which can hide programs and is not read; take the .safetensors file instead, or an export as .onnx`;
  const known = [...new Set(kinds)].join(', ');
  return `${shown} is of no known kind${known && `; known kinds are ${known}`}`;
}

/** The first of these names, so that a message stays short. */
function listed(names: readonly string[]): string {
  const first = names.slice(0, 3).map((name) => printable(name, 80));
  return names.length > first.length ? `${first.join(', ')} …` : first.join(', ');
}
