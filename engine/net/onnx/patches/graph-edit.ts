import { inputName } from '../edit';
import type { OnnxGraph } from '../graph';
import { type GraphNode, readNode, withInputs, withOutputs } from '../node';

/** A node of a graph that is being changed. */
export interface EditedNode extends GraphNode {
  bytes: Buffer;
}

/**
 * A graph to which nodes are added and whose nodes get other inputs. Nodes stay in an order in which each stands behind
 * those whose outputs it takes, and all names stay what they were, so that edits can follow each other.
 */
export class GraphEdit {
  readonly nodes: EditedNode[];
  private readonly weights: Buffer[];
  private readonly inputs: Buffer[];
  private readonly before = new Map<EditedNode, Buffer[]>();
  private readonly after = new Map<EditedNode, Buffer[]>();
  /** At the beginning: what depends on inputs and weights alone. */
  private readonly first: Buffer[] = [];

  constructor(private readonly graph: OnnxGraph) {
    this.nodes = graph.nodes.map((bytes) => ({ ...readNode(bytes), bytes }));
    this.weights = [...graph.weights];
    this.inputs = [...graph.inputs];
  }

  addInput(valueInfo: Buffer): void {
    if (!this.inputs.some((input) => inputName(input) === inputName(valueInfo))) this.inputs.push(valueInfo);
  }

  addWeights(...weights: Buffer[]): void {
    this.weights.push(...weights);
  }

  addFirst(...nodes: Buffer[]): void {
    this.first.push(...nodes);
  }

  addBefore(node: EditedNode, ...nodes: Buffer[]): void {
    this.before.set(node, [...(this.before.get(node) ?? []), ...nodes]);
  }

  addAfter(node: EditedNode, ...nodes: Buffer[]): void {
    this.after.set(node, [...(this.after.get(node) ?? []), ...nodes]);
  }

  /** Feeds a node from another tensor. */
  replaceInput(node: EditedNode, position: number, tensor: string): void {
    node.inputs[position] = tensor;
    node.bytes = withInputs(node.bytes, node.inputs);
  }

  /** Lets what was a node's output come from elsewhere: the node's own output gets another name. */
  renameOutput(node: EditedNode, position: number, name: string): void {
    node.outputs[position] = name;
    node.bytes = withOutputs(node.bytes, node.outputs);
  }

  result(): OnnxGraph {
    const nodes = this.nodes.flatMap((node) => [...(this.before.get(node) ?? []), node.bytes, ...(this.after.get(node) ?? [])]);
    return { ...this.graph, nodes: [...this.first, ...nodes], weights: this.weights, inputs: this.inputs };
  }
}
