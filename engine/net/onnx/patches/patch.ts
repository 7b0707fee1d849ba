import type { OnnxGraph } from '../graph';

/** One change of a net's graph before it is opened. */
export interface GraphPatch {
  /** For people. */
  readonly name: string;
  /**
   * What it adds to a net's fingerprint, as letters, digits and `-`: differs where results do. Default: nothing, for what
   * changes how a net computes and not what.
   */
  readonly fingerprint?: string;
  /** Whether the net may be opened without it where ONNX Runtime refuses the changed one: it only makes it faster. */
  readonly optional?: boolean;
  /** What is to be said where it finds nothing to change, a sentence. */
  readonly missed?: string;
  /**
   * Reads a graph, and never changes it.
   *
   * @returns undefined where it finds nothing to change
   * @throws EBADMODEL where it cannot do what it is needed for
   */
  apply(graph: OnnxGraph): OnnxGraph | undefined;
}

/** What came of a list of patches. */
export interface Patched {
  graph: OnnxGraph;
  /** Those that found something to change. */
  applied: GraphPatch[];
  /** What the others say of that. */
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
