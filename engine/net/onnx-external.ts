import type { OnnxGraph } from './onnx-graph';
import { field, fieldsOf, message, type MessageField } from './protobuf';

/** The files that a graph's weights lie in, as it names them. */
export function externalFilesOf(graph: OnnxGraph): string[] {
  const locations = graph.weights.flatMap((weight) => fieldsOf(weight).flatMap((part) => locationIn(part) ?? []));
  return [...new Set(locations)];
}

/** The graph with its weights in files of other names. @param names of the new files, by the old ones */
export function withExternalFiles(graph: OnnxGraph, names: ReadonlyMap<string, string>): OnnxGraph {
  const weights = graph.weights.map((weight) => {
    const parts = fieldsOf(weight);
    if (!parts.some((part) => locationIn(part) !== undefined)) return weight;
    // Such a weight has no floats of its own, only numbers, texts and messages.
    return message(...parts.map((part) => {
      const location = locationIn(part);
      if (location !== undefined) return field(13, message(field(1, 'location'), field(2, names.get(location) ?? location)));
      return field(part.number, part.bytes.length > 0 ? part.bytes : part.value);
    }));
  });
  return { ...graph, weights };
}

/** TensorProto { external_data 13 { key 1, value 2 } }. */
function locationIn({ number, bytes }: MessageField): string | undefined {
  if (number !== 13) return undefined;
  const [key, value] = fieldsOf(bytes).map(({ bytes: text }) => text.toString('utf8'));
  return key === 'location' ? value : undefined;
}
