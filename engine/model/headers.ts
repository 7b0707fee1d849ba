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

/** A net that can be looked at, not run. */
export interface HeaderNet extends Net {
  operators: Set<string>;
  /** Whether it computes in half precision. */
  isHalf: boolean;
  /** Its graph, where that had to be changed to be of use; to be opened instead of the file. */
  graph?: OnnxGraph;
}
export type Headers = PerRole<HeaderNet>;

/** The heads of all nets of a model. Rejects as {@link readHeader} does. */
export async function readHeaders(files: ModelFiles): Promise<Headers> {
  const headers: Headers = {};
  for (const name of netNames) {
    const net = files.nets[name];
    if (net) headers[name] = await readHeader(name, net, files);
  }
  return headers;
}

/**
 * Reads a net's head from its file: in milliseconds and without ONNX Runtime, so that most of what is wrong with a model
 * is found before gigabytes are opened.
 *
 * Rejects with EBADMODEL when the file is torn or no net, or a file with its weights is missing or out of reach.
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
        `${path} keeps its weights in ${printable(external)}, which is not there; download it into the same folder`,
      );
    }
    isScattered ||= commonFolder([real, file]) !== dirname(real);
  }
  const run = () => Promise.reject(new EngineError('ECLOSED', `${path} was only looked at, not opened`));
  const header: HeaderNet = { inputs, outputs, operators, isHalf, run, close: () => Promise.resolve() };
  // Links to weights elsewhere, such as on another disk: ONNX Runtime follows none out of the folder of the net.
  if (isScattered) header.graph = await readOnnxGraph(path);
  return name === 'unet' ? withTimestepPerRow(header, path) : header;
}

/** Sizes of latents and pictures that a net has fixed are memory that every run takes. */
function checkSizes({ name, shape }: TensorInfo, path: string): void {
  if (shape.length !== 4) return;
  const most = [1024, 16_384, 16_384, 16_384];
  if (shape.every((size, i) => typeof size === 'string' || size <= most[i])) return;
  throw new EngineError(
    'EBADMODEL',
    `${printable(path, 1000)} takes or gives "${name}" as [${shape.join(', ')}], which no net for pictures does; at most [${most.join(', ')}] can be`,
  );
}

/** A UNet that takes a single timestep for all rows is changed to take one a row, where that can be done. */
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
