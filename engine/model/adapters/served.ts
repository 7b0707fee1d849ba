import { elementType, inputName, shapeOf } from '../../net/onnx/edit';
import { readOnnxGraph } from '../../net/onnx/graph';
import { applyPatches, type GraphPatch } from '../../net/onnx/patches/patch';
import type { HeaderNet } from '../headers';

/** A net as it is served, with the inputs that adapters add to it. */
export interface ServedNet {
  header: HeaderNet;
  /** The patches that were applied, which are part of its fingerprint. */
  applied: readonly GraphPatch[];
}

/** The TensorProto.DataType of float16, the only type besides float32 of such inputs. */
const FLOAT16 = 10;

/**
 * A net as a server must have it for these adapters.
 *
 * Rejects with EBADMODEL where an adapter does not fit the net.
 *
 * @param path the net's file
 * @param patches of the adapters; optional ones are left out
 */
export async function asServed(header: HeaderNet, path: string, patches: readonly GraphPatch[]): Promise<ServedNet> {
  const needed = patches.filter(({ optional }) => !optional);
  if (needed.length === 0) return { header, applied: [] };
  const { graph, applied } = applyPatches(header.graph ?? (await readOnnxGraph(path)), needed);
  const added = graph.inputs
    .filter((input) => !header.inputs.some(({ name }) => name === inputName(input)))
    .map((input) => ({
      name: inputName(input),
      type: elementType(input) === FLOAT16 ? ('float16' as const) : ('float32' as const),
      shape: shapeOf(input),
    }));
  return { header: { ...header, graph, inputs: [...header.inputs, ...added] }, applied };
}
