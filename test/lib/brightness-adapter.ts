import type { AdapterKind } from '../../engine/model/adapters/adapter';
import { inputName } from '../../engine/net/onnx/edit';
import { makeInt64s, makeNode, readNode } from '../../engine/net/onnx/node';
import { field, fieldsOf, message } from '../../engine/net/onnx/protobuf';
import { inputNamed, portPerRow } from '../../engine/model/unet/ports/port';
import { weightOf } from '../../engine/model/unet/row';
import { value } from './onnx-maker';

/**
 * An adapter only for tests: it adds to the UNet's prediction the mean brightness (0..1) of a picture that the frame brings,
 * times the adapter's weight. Its files end in .brightness and may have any content.
 */
export const brightness: AdapterKind = {
  kind: 'brightness',
  open: ({ name, path }) =>
    Promise.resolve(path.endsWith('.brightness') ? { name, kind: 'brightness', picture: 'frame', prepare: mean } : undefined),
  patches: (net, adapters) =>
    net === 'unet'
      ? adapters.map(({ name }) => ({ name: 'brightness', fingerprint: 'brightness', apply: (graph) => withBrightness(graph, name) }))
      : [],
  ports: (adapters) =>
    adapters.map(({ name }) => (unet) => {
      const info = inputNamed(unet, `brightness/${name}`);
      return info && portPerRow(info, (row) => Float32Array.of(weightOf(row, name) * Number(row.pictures?.[name] ?? 0)));
    }),
};

type Graph = Parameters<ReturnType<NonNullable<AdapterKind['patches']>>[number]['apply']>[0];

function mean({ data }: { data: Uint8Array }): Promise<number> {
  return Promise.resolve(data.reduce((sum, byte) => sum + byte, 0) / data.length / 255);
}

/** Adds a new input, one number per row, to the graph's output. */
function withBrightness(graph: Graph, name: string): Graph {
  const [input, output] = [`brightness/${name}`, inputName(graph.outputs[0])];
  const nodes = graph.nodes.map((bytes) =>
    readNode(bytes).outputs.includes(output) ? renamedOutput(bytes, output, `${input}/without`) : bytes,
  );
  return {
    ...graph,
    inputs: [...graph.inputs, value(input, 'float32', ['batch'])],
    weights: [...graph.weights, makeInt64s(`${input}/shape`, [-1, 1, 1, 1])],
    nodes: [
      ...nodes,
      makeNode('Reshape', [input, `${input}/shape`], `${input}/row`),
      makeNode('Add', [`${input}/without`, `${input}/row`], output),
    ],
  };
}

function renamedOutput(bytes: Buffer, from: string, to: string): Buffer {
  return message(
    ...fieldsOf(bytes).map(({ number, bytes: content }) => field(number, number === 2 && content.toString() === from ? to : content)),
  );
}
