import type { OnnxGraph } from '../graph';
import { inputName } from '../edit';
import { type GraphNode, readNode, weightShape } from '../node';
import { fieldsOf } from '../protobuf';
import { tensorName, tensorValues } from './tensor-values';

/** The nodes of a graph by the tensors that they give and take. */
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

  /** The only node that takes this tensor; undefined where there are several, or it leaves the graph. */
  onlyUser(tensor: string): GraphNode | undefined {
    const users = this.consumers.get(tensor);
    return users?.length === 1 && !this.outputs.has(tensor) ? users[0] : undefined;
  }

  /** All nodes that take this tensor. */
  users(tensor: string): GraphNode[] {
    return this.consumers.get(tensor) ?? [];
  }

  /** Numbers of a small constant that lies in the graph itself; undefined for all else. */
  constant(tensor: string): number[] | undefined {
    const weight = this.weights.get(tensor);
    if (weight) return tensorValues(weight);
    const node = this.producers.get(tensor);
    // AttributeProto { t 5 }.
    const content = node?.operator === 'Constant' ? fieldsOf(node.attributes[0]).find(({ number }) => number === 5)?.bytes : undefined;
    return content && tensorValues(content);
  }

  /** Dimensions and element type of a weight; undefined for what is none. TensorProto { data_type 2 }. */
  weight(tensor: string): { dims: number[]; type: number } | undefined {
    const bytes = this.weights.get(tensor);
    return bytes && { dims: weightShape(bytes).dims, type: fieldsOf(bytes).find(({ number }) => number === 2)?.value ?? 0 };
  }

  /** Dimensions of a weight, also of one that is stored in another type and cast. */
  weightDims(tensor: string): number[] | undefined {
    const weight = this.weights.get(tensor);
    if (weight) return weightShape(weight).dims;
    const node = this.producers.get(tensor);
    return node?.operator === 'Cast' ? this.weightDims(node.inputs[0]) : undefined;
  }

  /** Version of the standard's operators. ModelProto { opset_import 8 { domain 1, version 2 }}. */
  get opset(): number {
    const imports = fieldsOf(this.graph.model).flatMap(({ number, bytes }) => (number === 8 ? [fieldsOf(bytes)] : []));
    const standard = imports.find((fields) => !fields.some((one) => one.number === 1 && one.bytes.length > 0));
    return standard?.find(({ number }) => number === 2)?.value ?? 0;
  }

  /**
   * The graph with some of its nodes replaced, and without nodes and weights that nothing needs any more.
   * @param before nodes to stand directly before others
   */
  replaced(replacements: ReadonlyMap<GraphNode, Buffer>, before: ReadonlyMap<GraphNode, Buffer> = new Map()): OnnxGraph {
    const bytes = new Map(this.nodes.map((node, k) => [node, replacements.get(node) ?? this.graph.nodes[k]]));
    const needed = new Set(this.outputs);
    const kept: Buffer[] = [];
    // Nodes stand behind those whose outputs they take.
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
