import { LOOKED_AT } from '../common/looked-at';

/** A node of a running flow, as far as it matters for who sees what another one sends. */
export interface Passage {
  type: string;
  /** The ids of the nodes behind each output. */
  wires: readonly (readonly string[])[];
}

/**
 * Whether somebody wants what is sent along these wires. A sink wants it while somebody looks at it, or somebody wants
 * what it passes on; a junction passes on all there is. Every other node may have a use for it that nobody can know.
 *
 * @param ids of the nodes at the end of the wires
 * @param find a running node; undefined or null for one that is disabled or gone, which gets nothing
 */
export function isWanted(ids: readonly string[], find: (id: string) => Passage | null | undefined): boolean {
  const met = new Set<string>();
  const wants = (id: string): boolean => {
    // Wires may run in a circle.
    if (met.has(id)) return false;
    met.add(id);
    const node = find(id);
    if (!node) return false;
    const isSink = node.type === 'streamdiffusion-sink';
    if (!isSink && node.type !== 'junction') return true;
    // Pictures leave a sink at its first output; at the second there is what its performance page sets.
    const next = isSink ? node.wires.slice(0, 1) : node.wires;
    return (isSink && (LOOKED_AT.of(node)?.isLookedAt ?? true)) || next.flat().some(wants);
  };
  return ids.some(wants);
}
