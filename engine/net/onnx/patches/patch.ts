import type { OnnxGraph } from '../graph';

/** One edit of a net's graph before the net is opened. */
export interface GraphPatch {
  /** The name that people read. */
  readonly name: string;
  /**
   * Its part of a net's fingerprint, in letters, digits and `-`: it differs where results do. Left out by patches that change
   * how a net computes but not its results.
   */
  readonly fingerprint?: string;
  /** Whether the patch only makes the net faster, so that the net may be opened without it where ONNX Runtime refuses the edited one. */
  readonly optional?: boolean;
  /** The note, a sentence, where it finds nothing to change. */
  readonly missed?: string;
  /**
   * Returns the edited graph; the given one is never changed.
   *
   * @returns undefined where it finds nothing to change
   * @throws EBADMODEL where the patch is needed but does not fit the graph
   */
  apply(graph: OnnxGraph): OnnxGraph | undefined;
}

/** The result of a list of patches. */
export interface Patched {
  graph: OnnxGraph;
  /** The patches that found something to change. */
  applied: GraphPatch[];
  /** The notes of the others. */
  notes: string[];
}

/** The graph after all patches, in their order. */
export function applyPatches(graph: OnnxGraph, patches: readonly GraphPatch[]): Patched {
  const patched: Patched = { graph, applied: [], notes: [] };
  for (const patch of patches) {
    const changed = patch.apply(patched.graph);
    if (changed) {
      patched.graph = changed;
      patched.applied.push(patch);
    } else if (patch.missed) patched.notes.push(patch.missed);
  }
  return patched;
}
