import { EngineError } from '../../errors';
import type { WeightPlace } from '../../net/onnx/patches/lora';
import type { SafeTensor } from '../../net/safetensors';

/** TensorProto.DataType of what weights may be stored in. */
const TYPES: Partial<Record<string, number>> = { F32: 1, F16: 10, F64: 11, BF16: 16 };

/**
 * Where a tensor of a .safetensors file lies, to be read there in place.
 *
 * @param location of the file, as seen from the graph's folder
 * @param shape what it has to have; undefined for sizes that may be any
 * @throws EBADMODEL where it is missing, in another type, or of another shape
 */
export function weightPlace(
  tensor: SafeTensor | undefined,
  name: string,
  location: string,
  shape?: readonly (number | undefined)[],
): WeightPlace {
  if (!tensor) throw new EngineError('EBADMODEL', `its "${name}" is not there: the file is torn, or of another kind`);
  const type = TYPES[tensor.type];
  const fits = !shape || (tensor.shape.length === shape.length && shape.every((size, k) => size === undefined || size === tensor.shape[k]));
  if (type !== undefined && fits) return { location, offset: tensor.offset, length: tensor.length, type, shape: tensor.shape };
  const wanted = shape ? `, where [${shape.map((size) => size ?? 'any').join(', ')}] in F32, F16 or BF16 is wanted` : '';
  throw new EngineError('EBADMODEL', `its "${name}" is [${tensor.shape.join(', ')}] in ${tensor.type}${wanted}`);
}
