import { elementType, inputName, shapeOf } from '../../engine/net/onnx/edit';
import type { OnnxGraph } from '../../engine/net/onnx/graph';
import { makeNode, makeValue } from '../../engine/net/onnx/node';
import { renamed } from './rewritten';

const FLOAT = 1;
const HALF = 10;

/** A net whose float32 inputs and outputs become float16; in between it computes as before. */
export function inHalf(graph: OnnxGraph): OnnxGraph {
  const floats = (values: Buffer[]): string[] => values.filter((value) => elementType(value) === FLOAT).map(inputName);
  const [taken, given] = [floats(graph.inputs), floats(graph.outputs)];
  const inner = renamed(graph, Object.fromEntries([...taken, ...given].map((name) => [name, `${name}/float`])));
  const half = (value: Buffer): Buffer => (elementType(value) === FLOAT ? makeValue(inputName(value), 'float16', shapeOf(value)) : value);
  return {
    ...inner,
    inputs: graph.inputs.map(half),
    outputs: graph.outputs.map(half),
    nodes: [
      ...taken.map((name) => makeNode('Cast', [name], `${name}/float`, { to: FLOAT })),
      ...inner.nodes,
      ...given.map((name) => makeNode('Cast', [`${name}/float`], name, { to: HALF })),
    ],
  };
}
