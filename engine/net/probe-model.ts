import { field, message } from './protobuf';

/** The smallest useful net, y = x + x for one float32, as an ONNX file. Field numbers are those of onnx.proto. */
export function probeModel(): Uint8Array {
  const shape = field(2, field(1, field(1, 1)));
  const float32 = field(1, 1);
  const valueInfo = (name: string): Buffer => message(field(1, name), field(2, field(1, message(float32, shape))));
  const node = message(field(1, 'x'), field(1, 'x'), field(2, 'y'), field(4, 'Add'));
  const graph = message(field(1, node), field(2, 'probe'), field(11, valueInfo('x')), field(12, valueInfo('y')));
  const irVersion = field(1, 8);
  const opset = field(8, field(2, 13));
  return message(irVersion, opset, field(7, graph));
}
