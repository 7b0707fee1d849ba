import { EngineError } from '../errors';
import type { Arithmetic } from '../net/ort/arithmetic-trial';
import { inInt8 } from '../net/onnx/patches/int8';
import { type OnnxGraph, readOnnxGraph } from '../net/onnx/graph';
import { fuseAttention } from '../net/onnx/patches/attention';
import { simplifyShapes } from '../net/onnx/patches/shapes';
import type { NetName } from './files';
import type { HeaderNet } from './headers';
import type { NetFiles } from './layouts';

/** Providers that have a kernel for com.microsoft.MultiHeadAttention. On cuda and webgpu it was tried on no card yet. */
const FUSES_ATTENTION = ['cpu', 'cuda', 'webgpu'];
/** Nets that run with every frame. */
const BUSY: readonly NetName[] = ['unet', 'vae_encoder', 'vae_decoder'];

/** How a net is to be opened. */
export interface NetWish {
  name: NetName;
  /** Such as `cpu` or `cuda:1`. */
  executionProvider: string;
  arithmetic: Arithmetic;
}

/**
 * Opens a net with all that makes it faster here. One that is refused so is opened as its export is.
 *
 * Rejects with EBADMODEL when it cannot be opened at all.
 *
 * @param open opens a graph, or without one the net's file
 * @param notes takes what one should know, in sentences
 */
export async function openChanged<N>(
  wish: NetWish,
  net: NetFiles,
  header: HeaderNet | undefined,
  open: (graph: OnnxGraph | undefined) => Promise<N>,
  notes: string[],
): Promise<N> {
  const graph = await graphToOpen(wish, net, header, notes);
  try {
    return await open(graph);
  } catch (thrown) {
    const isRefused = thrown instanceof EngineError && thrown.code === 'EBADMODEL';
    if (!isRefused || !graph || graph === header?.graph) throw thrown;
    const opened = await open(header?.graph);
    notes.push(`${net.path} runs as it was exported, more slowly than it could: ${thrown.message}`);
    return opened;
  }
}

/**
 * What is changed of a net before it is opened, in this order: attention in one operator, the arithmetic of sizes taken
 * out, int8. Each changes nothing where it finds nothing.
 *
 * @returns undefined where the file can be opened as it is
 */
async function graphToOpen(
  { name, executionProvider, arithmetic }: NetWish,
  net: NetFiles,
  header: HeaderNet | undefined,
  notes: string[],
): Promise<OnnxGraph | undefined> {
  const isBusy = BUSY.includes(name);
  const provider = executionProvider.split(':')[0];
  // ONNX Runtime's kernel for processors knows float32 only.
  const fuses = isBusy && FUSES_ATTENTION.includes(provider) && !(provider === 'cpu' && header?.isHalf);
  const rounds = arithmetic !== 'float32' && net.ranges;
  if (!isBusy && !rounds) return header?.graph;
  const original = header?.graph ?? (await readOnnxGraph(net.path));
  const fused = (fuses && fuseAttention(original)) || original;
  const simple = (isBusy && simplifyShapes(fused)) || fused;
  const rounded = rounds ? inInt8(simple, rounds, arithmetic === 'int8' ? 8 : 7) : simple;
  if (!rounded) notes.push(`The int8.json beside ${net.path} was made for another net, so this one computes in float32.`);
  const result = rounded ?? simple;
  return result === original ? header?.graph : result;
}
