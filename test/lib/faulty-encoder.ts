import { field, message } from '../../engine/net/onnx/protobuf';
import { node, onnxModel, value, weight } from './onnx-maker';

/**
 * A picture encoder, 16× to 16 channels like the embedded model's, that works for every picture but a white one. With that
 * one its run fails, never ends, or gives NaN.
 */
export function faultyEncoder(fault: 'fails' | 'hangs' | 'gives NaN'): Buffer {
  const channels = 16;
  const mix = Float32Array.from({ length: channels * 3 }, (_, i) => (i % 3 === Math.floor(i / 3) % 3 ? 0.5 : 0));
  return onnxModel({
    inputs: [value('sample', 'float32', ['batch', 3, 'height', 'width'])],
    outputs: [value('latent_sample', 'float32', ['batch', channels, 'h', 'w'])],
    weights: [
      weight('mix', [channels, 3, 1, 1], mix),
      ...numbers({ zero: 0, almost: 0.1, one: 1, often: 1e15 }),
      weight('table', [1], Float32Array.of(0)),
    ],
    nodes: [
      node('AveragePool', ['sample'], 'pooled', { kernel_shape: [16, 16], strides: [16, 16] }),
      node('Conv', ['pooled', 'mix'], 'latent'),
      // 1 for white (a mean of 1), 0 for everything up to 0.9.
      node('ReduceMean', ['sample'], 'mean', { keepdims: 0 }),
      node('Add', ['mean', 'almost'], 'brighter'),
      node('Floor', ['brighter'], 'floor'),
      node('Max', ['floor', 'zero'], 'white'),
      ...FAULTS[fault],
      node('Add', ['latent', 'nothing'], 'latent_sample'),
    ],
  });
}

const INT64 = 7;

const FAULTS = {
  fails: [node('Cast', ['white'], 'index', { to: INT64 }), node('Gather', ['table', 'index'], 'nothing')],
  'gives NaN': [node('Sub', ['one', 'white'], 'divisor'), node('Div', ['zero', 'divisor'], 'nothing')],
  hangs: [node('Mul', ['white', 'often'], 'many'), node('Cast', ['many'], 'times', { to: INT64 }), loop('times', 'zero', 'nothing')],
};

/** Adds zero to `start` the given number of times. */
function loop(times: string, start: string, result: string): Buffer {
  const body = message(
    field(1, node('Identity', ['go_on'], 'going_on')),
    field(1, node('Add', ['sum', 'sum'], 'next')),
    field(2, 'body'),
    ...[value('k', 'int64', []), value('go_on', 'bool', []), value('sum', 'float32', [])].map((one) => field(11, one)),
    ...[value('going_on', 'bool', []), value('next', 'float32', [])].map((one) => field(12, one)),
  );
  const attribute = message(field(1, 'body'), field(6, body), field(20, 5));
  return message(field(1, times), field(1, ''), field(1, start), field(2, result), field(4, 'Loop'), field(5, attribute));
}

function numbers(named: Record<string, number>): Buffer[] {
  return Object.entries(named).map(([name, number]) => weight(name, [], Float32Array.of(number)));
}
