import type { TensorType } from '../net';

/** The protocol's names of the element types. */
const NAMES: Record<TensorType, string> = {
  float32: 'FP32',
  float16: 'FP16',
  float64: 'FP64',
  int64: 'INT64',
  int32: 'INT32',
  uint8: 'UINT8',
};

export function datatypeOf(type: TensorType): string {
  return NAMES[type];
}

/** The element type of the protocol's name; undefined for one that nets here do not have. */
export function typeOf(datatype: string): TensorType | undefined {
  return (Object.keys(NAMES) as TensorType[]).find((type) => NAMES[type] === datatype);
}
