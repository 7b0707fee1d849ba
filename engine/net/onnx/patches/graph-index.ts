import type { OnnxGraph } from '../graph';
import { inputName } from '../edit';
import { type GraphNode, readNode, weightShape } from '../node';
import { fieldsOf } from '../protobuf';
import { tensorName, tensorValues } from './tensor-values';

/** The nodes of a graph by the tensors that they produce and use. */
export class GraphIndex {
  readonly nodes: GraphNode[];
  private readonly producers = new Map<string, GraphNode>();
  private readonly consumers = new Map<string, GraphNode[]>();
  private readonly weights = new Map<string, Buffer>();
  private readonly outputs: ReadonlySet<string>;

  constructor(private readonly graph: OnnxGraph) {
    this.nodes = graph.nodes.map(readNode);
    for (const node of this.nodes) {
      for (const output of node.outputs) this.producers.set(output, node);
      for (const input of new Set(node.inputs)) this.consumers.set(input, [...(this.consumers.get(input) ?? []), node]);
    }
    for (const weight of graph.weights) this.weights.set(tensorName(weight), weight);
    this.outputs = new Set(graph.outputs.map(inputName));
  }

  /** The node whose output this tensor is; undefined for inputs and weights of the graph. */
  producer(tensor: string): GraphNode | undefined {
    return this.producers.get(tensor);
  }

  /** The only node that uses this tensor; undefined where there are several, or where it is an output of the graph. */
  onlyUser(tensor: string): GraphNode | undefined {
    const users = this.consumers.get(tensor);
    return users?.length === 1 && !this.outputs.has(tensor) ? users[0] : undefined;
  }

  /** All nodes that use this tensor. */
  users(tensor: string): GraphNode[] {
    return this.consumers.get(tensor) ?? [];
  }

  /** The numbers of a small constant that is stored in the graph itself; undefined for any other tensor. */
  constant(tensor: string): number[] | undefined {
    const weight = this.weights.get(tensor);
    if (weight) return tensorValues(weight);
    const node = this.producers.get(tensor);
    // AttributeProto { t 5 }.
    const content = node?.operator === 'Constant' ? fieldsOf(node.attributes[0]).find(({ number }) => number === 5)?.bytes : undefined;
    return content && tensorValues(content);
  }

  /** The dimensions and element type of a weight; undefined for any other tensor. TensorProto { data_type 2 }. */
  weight(tensor: string): { dims: number[]; type: number } | undefined {
    const bytes = this.weights.get(tensor);
    return bytes && { dims: weightShape(bytes).dims, type: fieldsOf(bytes).find(({ number }) => number === 2)?.value ?? 0 };
  }

  /** The dimensions of a weight, including one that is stored in another type and cast. */
  weightDims(tensor: string): number[] | undefined {
    const weight = this.weights.get(tensor);
    if (weight) return weightShape(weight).dims;
    const node = this.producers.get(tensor);
    return node?.operator === 'Cast' ? this.weightDims(node.inputs[0]) : undefined;
  }

  /** The opset of the standard. ModelProto { opset_import 8 { domain 1, version 2 }}. */
  get opset(): number {
    const imports = fieldsOf(this.graph.model).flatMap(({ number, bytes }) => (number === 8 ? [fieldsOf(bytes)] : []));
    const standard = imports.find((fields) => !fields.some((one) => one.number === 1 && one.bytes.length > 0));
    return standard?.find(({ number }) => number === 2)?.value ?? 0;
  }

  /**
   * The graph with some of its nodes replaced, and without nodes and weights that nothing needs any more.
   *
   * @param before nodes to insert directly before others
   */
  replaced(replacements: ReadonlyMap<GraphNode, Buffer>, before: ReadonlyMap<GraphNode, Buffer> = new Map()): OnnxGraph {
    const bytes = new Map(this.nodes.map((node, k) => [node, replacements.get(node) ?? this.graph.nodes[k]]));
    const needed = new Set(this.outputs);
    const kept: Buffer[] = [];
    // Nodes come after those whose outputs they take, so users are visited first.
    for (const node of [...this.nodes].reverse()) {
      const content = bytes.get(node);
      if (!content || !node.outputs.some((output) => needed.has(output))) continue;
      for (const input of readNode(content).inputs) needed.add(input);
      kept.push(content);
      const added = before.get(node);
      if (!added) continue;
      for (const input of readNode(added).inputs) needed.add(input);
      kept.push(added);
    }
    return { ...this.graph, nodes: kept.reverse(), weights: this.graph.weights.filter((weight) => needed.has(tensorName(weight))) };
  }
}
