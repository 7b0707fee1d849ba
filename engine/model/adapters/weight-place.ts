import { EngineError } from '../../errors';
import type { WeightPlace } from '../../net/onnx/patches/lora';
import type { SafeTensor } from '../../net/safetensors';

/** The TensorProto.DataType of each type that weights may be stored in. */
const TYPES: Partial<Record<string, number>> = { F32: 1, F16: 10, F64: 11, BF16: 16 };

/**
 * The place of a tensor in a .safetensors file, to be read there.
 *
 * @param location the file's path relative to the graph's folder
 * @param shape the required shape, with undefined for any size
 * @throws EBADMODEL where the tensor is missing or has another type or shape
 */
export function weightPlace(
  tensor: SafeTensor | undefined,
  name: string,
  location: string,
  shape?: readonly (number | undefined)[],
): WeightPlace {
  if (!tensor) throw new EngineError('EBADMODEL', `its "${name}" is missing: the file is torn, or of another kind`);
  const type = TYPES[tensor.type];
  const fits = !shape || (tensor.shape.length === shape.length && shape.every((size, k) => size === undefined || size === tensor.shape[k]));
  if (type !== undefined && fits) return { location, offset: tensor.offset, length: tensor.length, type, shape: tensor.shape };
  const wanted = shape ? `, where [${shape.map((size) => size ?? 'any').join(', ')}] in F32, F16 or BF16 is needed` : '';
  throw new EngineError('EBADMODEL', `its "${name}" is [${tensor.shape.join(', ')}] in ${tensor.type}${wanted}`);
}
