import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../errors';
import type { Net, TensorInfo } from '../net/net';
import { timestepPerRow } from '../net/onnx/edit';
import { readOnnxHeader } from '../net/onnx/file';
import { commonFolder, type OnnxGraph, readOnnxGraph } from '../net/onnx/graph';
import { printable } from '../util/quote';
import type { ModelFiles } from './files';
import type { NetFiles } from './layouts';
import { netNames, type NetRole, type PerRole } from './roles';

/** A net's header: it can be inspected but not run. */
export interface HeaderNet extends Net {
  operators: Set<string>;
  /** Whether it computes in half precision. */
  isHalf: boolean;
  /** The edited graph to open instead of the file, where the export cannot be used without edits. */
  graph?: OnnxGraph;
}
export type Headers = PerRole<HeaderNet>;

/** The headers of all nets of a model. Rejects as {@link readHeader} does. */
export async function readHeaders(files: ModelFiles): Promise<Headers> {
  const headers: Headers = {};
  for (const name of netNames) {
    const net = files.nets[name];
    if (net) headers[name] = await readHeader(name, net, files);
  }
  return headers;
}

/**
 * Reads a net's header from its file, in milliseconds and without ONNX Runtime, so that most errors of a model are found before
 * gigabytes are opened.
 *
 * Rejects with EBADMODEL when the file is torn or not a net, or when a file with its weights is missing or out of reach.
 */
export async function readHeader(name: NetRole, net: NetFiles, files: Pick<ModelFiles, 'reach' | 'autoencoder'>): Promise<HeaderNet> {
  const { path } = net;
  const { reach } = Object.values(files.autoencoder?.nets ?? {}).includes(net) && files.autoencoder ? files.autoencoder : files;
  const { inputs, outputs, operators, isHalf, externalFiles } = await readOnnxHeader(path);
  for (const info of [...inputs, ...outputs]) checkSizes(info, path);
  const real = await realpath(path);
  let isScattered = false;
  for (const external of externalFiles) {
    const file = await reach.check(join(dirname(path), external));
    if (!file || !(await stat(file)).isFile()) {
      throw new EngineError(
        'EBADMODEL',
        `${path} keeps its weights in ${printable(external)}, which is missing; download it into the same folder`,
      );
    }
    isScattered ||= commonFolder([real, file]) !== dirname(real);
  }
  const run = () => Promise.reject(new EngineError('ECLOSED', `${path} was only inspected, not opened`));
  const header: HeaderNet = { inputs, outputs, operators, isHalf, run, close: () => Promise.resolve() };
  // ONNX Runtime does not follow links out of the net's folder, such as to weights on another disk.
  if (isScattered) header.graph = await readOnnxGraph(path);
  return name === 'unet' ? withTimestepPerRow(header, path) : header;
}

/** Refuses huge fixed sizes of latents and pictures, since every run would take their memory. */
function checkSizes({ name, shape }: TensorInfo, path: string): void {
  if (shape.length !== 4) return;
  const most = [1024, 16_384, 16_384, 16_384];
  if (shape.every((size, i) => typeof size === 'string' || size <= most[i])) return;
  throw new EngineError(
    'EBADMODEL',
    `${printable(path, 1000)} takes or gives "${name}" as [${shape.join(', ')}], which no net for pictures does; the largest is [${most.join(', ')}]`,
  );
}

/** Edits a UNet that takes a single timestep for all rows to take one per row, where possible. */
async function withTimestepPerRow(header: HeaderNet, path: string): Promise<HeaderNet> {
  const timestep = header.inputs.find(({ name }) => name === 'timestep');
  const batch = header.inputs.find(({ name }) => name === 'sample')?.shape[0];
  const single = timestep?.shape.length === 0 || (timestep?.shape.length === 1 && timestep.shape[0] === 1);
  if (!single || typeof batch !== 'string') return header;
  const rows = batch || 'batch';
  const graph = timestepPerRow(await readOnnxGraph(path), timestep.name, rows);
  if (!graph) return header;
  return { ...header, graph, inputs: header.inputs.map((input) => (input === timestep ? { ...input, shape: [rows] } : input)) };
}
