import type { Arithmetic } from '../net/ort/arithmetic-kinds';
import type { OnnxGraph } from '../net/onnx/graph';
import { readOnnxGraph } from '../net/onnx/graph';
import { inputName } from '../net/onnx/edit';
import { fuseAttention } from '../net/onnx/patches/attention';
import { inInt8, int8Name, type TensorRanges, type WeightBits } from '../net/onnx/patches/int8';
import { applyPatches, type GraphPatch } from '../net/onnx/patches/patch';
import { pixelsInBytes } from '../net/onnx/patches/pixel-bytes';
import { simplifyShapes } from '../net/onnx/patches/shapes';
import { EngineError } from '../errors';
import type { HeaderNet } from './headers';
import type { NetFiles } from './layouts';
import { type NetRole, useOf } from './roles';

/** Providers with a kernel for com.microsoft.MultiHeadAttention. It has not been tried on a card with cuda or webgpu yet. */
const FUSES_ATTENTION = ['cpu', 'cuda', 'webgpu'];

/**
 * Providers whose nets take and return pictures in bytes. It has not been tried on a card with cuda yet; other providers lack
 * operators for it, or are not known to have them.
 */
const TAKES_BYTES = ['cpu', 'cuda'];

/** How a net should be opened. */
export interface NetWish {
  name: NetRole;
  /** Such as `cpu` or `cuda:1`. */
  executionProvider: string;
  arithmetic: Arithmetic;
}

const ATTENTION: GraphPatch = { name: 'attention in one operator', optional: true, apply: fuseAttention };
const SHAPES: GraphPatch = { name: 'constant shapes', optional: true, apply: simplifyShapes };

/** The patches of an autoencoder. Incoming pictures are the same to the bit, outgoing ones within half a grey level. */
const BYTES_IN = bytesPatch('input');
const BYTES_OUT = bytesPatch('output');

/** The patch of a net with a single picture, whatever its name is. */
function bytesPatch(side: 'input' | 'output'): GraphPatch {
  const apply = (graph: OnnxGraph): OnnxGraph | undefined => {
    const [info, ...others] = side === 'input' ? graph.inputs : graph.outputs;
    return others.length === 0 ? pixelsInBytes(graph, side, inputName(info)) : undefined;
  };
  return { name: `pictures in bytes, ${side}`, optional: true, apply };
}

/** @param path of the net, for the note about ranges of another net */
export function int8Patch(ranges: TensorRanges, bits: WeightBits, path: string): GraphPatch {
  return {
    name: 'int8',
    fingerprint: int8Name(ranges, bits),
    optional: true,
    missed: `The int8.json beside ${path} was made for another net, so this one computes in float32.`,
    apply: (graph) => inInt8(graph, ranges, bits),
  };
}

/**
 * All patches of a net before it is opened, in order: those without which the export cannot be used (a timestep per row) have
 * been applied when its header was read; then those that make it faster; then those of adapters. For providers that compile
 * whole graphs, sizes are fixed after all of these, for each size.
 *
 * @param ofAdapters the patches of adapters for this net
 */
export function patchesFor(
  { name, executionProvider, arithmetic }: NetWish,
  { path, ranges }: NetFiles,
  isHalf: boolean,
  ofAdapters: readonly GraphPatch[] = [],
): GraphPatch[] {
  const isBusy = useOf(name).runs !== 'prompt';
  const provider = executionProvider.split(':')[0];
  // ONNX Runtime's kernel for processors knows float32 only.
  const fuses = isBusy && FUSES_ATTENTION.includes(provider) && !(provider === 'cpu' && isHalf);
  return [
    ...(fuses ? [ATTENTION] : []),
    ...(isBusy ? [SHAPES] : []),
    ...(arithmetic !== 'float32' && ranges ? [int8Patch(ranges, arithmetic === 'int8' ? 8 : 7, path)] : []),
    ...(TAKES_BYTES.includes(provider) && name === 'vae_encoder' ? [BYTES_IN] : []),
    ...(TAKES_BYTES.includes(provider) && name === 'vae_decoder' ? [BYTES_OUT] : []),
    ...ofAdapters,
  ];
}

/**
 * Opens a net with all its patches. If ONNX Runtime refuses that, opens it with only the required ones.
 *
 * Rejects with EBADMODEL when it cannot be opened at all.
 *
 * @param open opens a graph, or the net's file without one
 * @param notes receives notes for users, in sentences
 */
export async function openPatched<N>(
  patches: readonly GraphPatch[],
  net: NetFiles,
  header: HeaderNet | undefined,
  open: (graph: OnnxGraph | undefined) => Promise<N>,
  notes: string[],
): Promise<N> {
  if (patches.length === 0) return open(header?.graph);
  const original = header?.graph ?? (await readOnnxGraph(net.path));
  const { graph, applied, notes: missed } = applyPatches(original, patches);
  notes.push(...missed);
  try {
    return await open(applied.length > 0 ? graph : header?.graph);
  } catch (thrown) {
    const needed = patches.filter(({ optional }) => !optional);
    const isRefused = thrown instanceof EngineError && thrown.code === 'EBADMODEL';
    if (!isRefused || !applied.some(({ optional }) => optional)) throw thrown;
    const opened = await open(needed.length > 0 ? applyPatches(original, needed).graph : header?.graph);
    notes.push(`${net.path} runs as it was exported, more slowly than it could: ${thrown.message}`);
    return opened;
  }
}
