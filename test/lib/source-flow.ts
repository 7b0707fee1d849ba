import type { NodeMessage } from 'node-red';
import type { FlowNode } from './flow';

/** A frame source, `source`, with these fields of its dialog, whose pictures arrive at `out`. */
export const flowOf = (fields: Record<string, unknown>): FlowNode[] => [
  { id: 'source', type: 'streamdiffusion-source', wires: [['out']], ...fields },
  { id: 'out', type: 'helper' },
];

export const frameOf = (msg: NodeMessage) => msg.frame as { id: number; width: number; height: number; timestamp: number; source: string };
