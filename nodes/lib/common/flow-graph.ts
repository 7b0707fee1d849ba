import type { NodeAPI } from 'node-red';

/** A node of the running flows, as its dialog saved it. */
export interface FlowNode {
  id: string;
  type: string;
  /** Whether it is disabled. */
  d?: boolean;
  wires?: string[][];
  links?: string[];
  engine?: string;
  model?: string;
  modelType?: string;
}

/** All nodes of the running flows, by their ids. */
export function flowNodes(RED: NodeAPI): Map<string, FlowNode> {
  const nodes = new Map<string, FlowNode>();
  RED.nodes.eachNode((node) => void nodes.set(node.id, node as unknown as FlowNode));
  return nodes;
}

/** The first denoiser after a node, by wires and links. */
export function denoiserBehind(nodes: Map<string, FlowNode>, id: string): FlowNode | undefined {
  const met = new Set([id]);
  for (const at of met) {
    const node = nodes.get(at);
    if (!node || node.d) continue;
    if (node.type === 'streamdiffusion-denoiser') return node;
    // Iterating over a Set includes elements that are added meanwhile.
    for (const next of [...(node.wires ?? []).flat(), ...(node.type === 'link out' ? (node.links ?? []) : [])]) met.add(next);
  }
  return undefined;
}

/** The prompt encoders whose first denoiser this is. */
export function encodersBefore(nodes: Map<string, FlowNode>, denoiser: string): string[] {
  const encoders = [...nodes.values()].filter(({ type, d }) => type === 'streamdiffusion-prompt' && !d);
  return encoders.filter(({ id }) => denoiserBehind(nodes, id)?.id === denoiser).map(({ id }) => id);
}

/** The nearest denoiser before a node, by the wires and links that carry pictures. */
export function denoiserBefore(nodes: Map<string, FlowNode>, id: string): FlowNode | undefined {
  const before = new Map<string, FlowNode[]>();
  for (const node of nodes.values()) {
    for (const next of node.d ? [] : picturesGo(node)) before.set(next, [...(before.get(next) ?? []), node]);
  }
  const met = new Set([id]);
  for (const at of met) {
    for (const node of before.get(at) ?? []) {
      if (node.type === 'streamdiffusion-denoiser') return node;
      met.add(node.id);
    }
  }
  return undefined;
}

/** The nodes that a node's pictures go to. The second outputs of denoisers and sinks carry no pictures. */
function picturesGo({ type, wires = [], links = [] }: FlowNode): string[] {
  const hasMore = type === 'streamdiffusion-denoiser' || type === 'streamdiffusion-sink';
  return [...(hasMore ? wires.slice(0, 1) : wires).flat(), ...(type === 'link out' ? links : [])];
}
