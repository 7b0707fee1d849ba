import type { OnnxGraph } from '../onnx/graph';
import { writeOnnxGraph } from '../onnx/graph';
import { makeConstant, makeNode, makeValueInfo } from '../onnx/node';
import { field, message } from '../onnx/protobuf';

/** ModelProto { ir_version 1, opset_import 8 { version 2 }}: the first opset with scales per channel. */
const MODEL = message(field(1, 8), field(8, field(2, 13)));
const NAME = field(2, 'probe');

/** The smallest useful net, y = x + x for one float32, as an ONNX file. */
export function probeModel(): Uint8Array {
  const nodes = [makeNode('Add', ['x', 'x'], 'y')];
  return writeOnnxGraph({
    folder: '',
    model: MODEL,
    nodes,
    weights: [],
    inputs: [makeValueInfo('x', [1])],
    outputs: [makeValueInfo('y', [1])],
    rest: [NAME],
  });
}

/** A convolution of usual size, 3×3 over `channels` to as many, at `side`×`side`, then a matrix product, y → z; all weights are 1. */
export function arithmeticModel(channels: number, side: number): OnnxGraph {
  const dims = [1, channels, side, side];
  const ones = (...shape: number[]): number[] => new Array<number>(shape.reduce((a, b) => a * b)).fill(1);
  return {
    folder: '',
    model: MODEL,
    nodes: [makeNode('Conv', ['x', 'kernel', 'bias'], 'y', { pads: [1, 1, 1, 1] }), makeNode('MatMul', ['y', 'matrix'], 'z')],
    weights: [
      makeConstant('kernel', 'float32', ones(channels, channels, 3, 3), [channels, channels, 3, 3]),
      makeConstant('bias', 'float32', new Array<number>(channels).fill(0)),
      makeConstant('matrix', 'float32', ones(side, side), [side, side]),
    ],
    inputs: [makeValueInfo('x', dims)],
    outputs: [makeValueInfo('z', dims)],
    rest: [NAME],
  };
}
