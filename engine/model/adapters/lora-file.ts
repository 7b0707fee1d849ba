import { EngineError } from '../../errors';
import type { LoraLayer, WeightPlace } from '../../net/onnx/patches/lora';
import { readNumbers, readSafetensors, type SafeTensor, type Safetensors } from '../../net/safetensors';
import { printable } from '../../util/quote';
import { isLora, loraKey, type LoraPart, otherMethod } from './lora-names';

/** A LoRA's change to a layer, as stored in its file. */
export type LoraModule = Pick<LoraLayer, 'name' | 'factor'> & { down: Omit<WeightPlace, 'location'>; up: Omit<WeightPlace, 'location'> };

export interface LoraFile {
  path: string;
  /** The changes by net, and then by the layer's canonical path. */
  parts: Map<LoraPart, Map<string, LoraModule>>;
}

/** The TensorProto.DataType of each type that a LoRA may be stored in. */
const TYPES: Partial<Record<string, number>> = { F32: 1, F16: 10, F64: 11, BF16: 16 };

/**
 * Reads which layers a LoRA changes, and the places of its matrices but not their values.
 *
 * @returns undefined for a file of another kind
 * @throws EBADMODEL for a torn file, or a LoRA of a kind that cannot be used
 */
export async function readLora(path: string): Promise<LoraFile | undefined> {
  const file = await readSafetensors(path);
  const names = [...file.tensors.keys()];
  if (!isLora(names)) return undefined;
  const unusable = (why: string): EngineError => new EngineError('EBADMODEL', `${printable(path, 1000)} ${why}`);
  const method = otherMethod(names);
  if (method)
    throw unusable(
      `is made by ${method}, which cannot be used beside a model's own products; use a plain LoRA, or fuse it before the export`,
    );
  const entries = new Map<
    string,
    { part: LoraPart; layer: string; source: string; down?: SafeTensor; up?: SafeTensor; alpha?: SafeTensor }
  >();
  for (const tensor of file.tensors.values()) {
    const key = loraKey(tensor.name);
    if (!key) throw unusable(`holds "${printable(tensor.name, 120)}", which is not part of a LoRA`);
    const id = `${key.part}/${key.layer}`;
    const entry = entries.get(id) ?? { part: key.part, layer: key.layer, source: tensor.name };
    if (entry[key.role]) throw unusable(`changes the layer ${printable(key.layer, 120)} twice`);
    entries.set(id, { ...entry, [key.role]: tensor });
  }
  const alphas = alphaOf(file);
  const parts: LoraFile['parts'] = new Map();
  for (const { part, layer, source, down, up, alpha } of entries.values()) {
    if (!down || !up) throw unusable(`has only some of the matrices of "${printable(source, 120)}"; it is not complete`);
    const modules = parts.get(part) ?? new Map<string, LoraModule>();
    const rank = down.shape[0];
    const scale = alpha ? await readAlpha(file, alpha, unusable) : (alphas(part) ?? rank);
    modules.set(layer, { name: layer, factor: scale / rank, down: matrix(down, unusable), up: matrix(up, unusable) });
    parts.set(part, modules);
  }
  return { path, parts };
}

function matrix(tensor: SafeTensor, unusable: (why: string) => EngineError): LoraModule['down'] {
  const { name, type, shape, offset, length } = tensor;
  const known = TYPES[type];
  if (known === undefined) throw unusable(`keeps "${printable(name, 120)}" as ${type}; LoRAs have F32, F16 or BF16`);
  if ((shape.length === 2 || shape.length === 4) && length > 0) return { type: known, shape, offset, length };
  throw unusable(`has "${printable(name, 120)}" as [${shape.join(', ')}], where a matrix or the kernel of a convolution should be`);
}

async function readAlpha(file: Safetensors, tensor: SafeTensor, unusable: (why: string) => EngineError): Promise<number> {
  const values = tensor.length <= 8 ? await readNumbers(file, tensor) : undefined;
  if (values?.length === 1 && Number.isFinite(values[0])) return values[0];
  throw unusable(`has "${printable(tensor.name, 120)}" as [${tensor.shape.join(', ')}], where one number should be`);
}

/** The alpha that diffusers writes into the file's metadata, as JSON, with the net's name before each key. */
function alphaOf({ metadata }: Safetensors): (part: LoraPart) => number | undefined {
  let config: Record<string, unknown> = {};
  try {
    config = (JSON.parse(metadata.lora_adapter_metadata ?? '{}') ?? {}) as Record<string, unknown>;
  } catch {
    // The metadata is another program's.
  }
  return (part) => {
    const alpha = config[`${part}.lora_alpha`];
    return typeof alpha === 'number' && Number.isFinite(alpha) ? alpha : undefined;
  };
}
