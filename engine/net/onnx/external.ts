import { locationsIn, MODEL, NODE, type Places, relocated, SPARSE, TENSOR } from './places';

/** The messages of a graph that may name files with values; see `OnnxGraph`. */
interface Messages {
  model: Buffer;
  nodes: Buffer[];
  weights: Buffer[];
  rest: Buffer[];
}

/** The rest of a graph can hold values only in sparse initializers. */
const REST: Places = { 15: SPARSE };

/** The files that hold a graph's values, as the graph names them. */
export function externalFilesOf({ model, nodes, weights, rest }: Messages): string[] {
  const locations = [
    ...locationsIn(model, MODEL),
    ...weights.flatMap((weight) => locationsIn(weight, TENSOR)),
    ...nodes.flatMap((node) => locationsIn(node, NODE)),
    ...rest.flatMap((part) => locationsIn(part, REST)),
  ];
  return [...new Set(locations)];
}

/** The graph with its external files renamed. @param names the new names, by the old ones */
export function withExternalFiles<G extends Messages>(graph: G, names: ReadonlyMap<string, string>): G {
  const { model, nodes, weights, rest } = graph;
  return {
    ...graph,
    model: relocated(model, MODEL, names),
    nodes: nodes.map((node) => relocated(node, NODE, names)),
    weights: weights.map((weight) => relocated(weight, TENSOR, names)),
    rest: rest.map((part) => relocated(part, REST, names)),
  };
}
