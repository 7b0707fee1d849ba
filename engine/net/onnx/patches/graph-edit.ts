import { inputName } from '../edit';
import type { OnnxGraph } from '../graph';
import { type GraphNode, readNode, withInputs, withOutputs } from '../node';
import { withMicrosoft } from './microsoft';

/** A node of a graph that is being edited. */
export interface EditedNode extends GraphNode {
  bytes: Buffer;
}

/**
 * A graph to which nodes are added and whose nodes get other inputs. Every node stays after those whose outputs it takes,
 * and all names stay unchanged, so that one edit can follow another.
 */
export class GraphEdit {
  readonly nodes: EditedNode[];
  private readonly weights: Buffer[];
  private readonly inputs: Buffer[];
  private model: Buffer;
  private readonly before = new Map<EditedNode, Buffer[]>();
  private readonly after = new Map<EditedNode, Buffer[]>();
  /** Nodes that depend on inputs and weights alone; they come first. */
  private readonly first: Buffer[] = [];

  constructor(private readonly graph: OnnxGraph) {
    this.nodes = graph.nodes.map((bytes) => ({ ...readNode(bytes), bytes }));
    this.weights = [...graph.weights];
    this.inputs = [...graph.inputs];
    this.model = graph.model;
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

  /** Makes a node take another tensor. */
  replaceInput(node: EditedNode, position: number, tensor: string): void {
    node.inputs[position] = tensor;
    node.bytes = withInputs(node.bytes, node.inputs);
  }

  /** Frees the name of a node's output for a new producer: the node's own output gets another name. */
  renameOutput(node: EditedNode, position: number, name: string): void {
    node.outputs[position] = name;
    node.bytes = withOutputs(node.bytes, node.outputs);
  }

  /** Lets the graph have operators of ONNX Runtime's own. */
  allowMicrosoft(): void {
    this.model = withMicrosoft(this.model);
  }

  result(): OnnxGraph {
    const nodes = this.nodes.flatMap((node) => [...(this.before.get(node) ?? []), node.bytes, ...(this.after.get(node) ?? [])]);
    return { ...this.graph, model: this.model, nodes: [...this.first, ...nodes], weights: this.weights, inputs: this.inputs };
  }
}
