/** ONNX files are protobuf messages: fields of (number << 3 | wire type), then a varint, or a length and bytes. */
function field(number: number, value: number | string | Uint8Array): Buffer {
  if (typeof value === 'number') return Buffer.from([number << 3, value]);
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

const message = (...fields: Buffer[]): Buffer => Buffer.concat(fields);

/** The smallest useful net: y = x + x for one float32. Numbers are those of onnx.proto. */
export function probeModel(): Uint8Array {
  const oneFloat = message(field(1, message(field(1, 1), field(2, message(field(1, message(field(1, 1))))))));
  const valueInfo = (name: string): Buffer => message(field(1, name), field(2, oneFloat));
  const node = message(field(1, 'x'), field(1, 'x'), field(2, 'y'), field(4, 'Add'));
  const graph = message(field(1, node), field(2, 'probe'), field(11, valueInfo('x')), field(12, valueInfo('y')));
  return message(field(1, 8), field(8, message(field(1, ''), field(2, 13))), field(7, graph));
}
