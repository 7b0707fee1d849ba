import { open, realpath } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { readOnnxHeader } from './file';
import { withExternalFiles } from './external';
import { field, message } from './protobuf';
import { type Field, ProtobufFile } from './protobuf-file';

/** Weights of at least this many bytes stay in their file; smaller ones (shapes, constants) are kept in the graph. */
const INLINE_LIMIT = 1024;

/**
 * A net without its weights, to be edited and opened again: encoded messages of onnx.proto. A weight is described by its
 * file, offset and length, so that gigabytes are neither read nor copied.
 */
export interface OnnxGraph {
  /** The folder that contains the files with the weights, itself or in its subfolders. It may be read-only. */
  folder: string;
  /** ModelProto without its graph. */
  model: Buffer;
  /** NodeProto */
  nodes: Buffer[];
  /** TensorProto */
  weights: Buffer[];
  /** ValueInfoProto */
  inputs: Buffer[];
  outputs: Buffer[];
  /** The other fields of the GraphProto. Recorded inner shapes are left out: edits make them wrong, and they can be inferred. */
  rest: Buffer[];
}

/** Reads an .onnx file, but no weights. Rejects with EBADMODEL when it is torn. */
export async function readOnnxGraph(path: string): Promise<OnnxGraph> {
  // Download caches hold links instead of files, and large weights may be links to another disk.
  const real = await realpath(path);
  const { externalFiles } = await readOnnxHeader(path);
  const files = await Promise.all(externalFiles.map((name) => realpath(join(dirname(path), name))));
  const file = await open(real);
  try {
    const common = commonFolder([real, ...files]);
    const graph = await new GraphReader(new ProtobufFile(file, path), relative(common, real), common).read((await file.stat()).size);
    // The names relative to the common folder; most often they are the same.
    const names = new Map(externalFiles.map((name, k) => [name, relative(common, files[k])]));
    return [...names].every(([from, to]) => from === to) ? graph : withExternalFiles(graph, names);
  } finally {
    await file.close();
  }
}

/** The graph as the bytes of an .onnx file, without its weights. */
export function writeOnnxGraph(graph: OnnxGraph): Uint8Array {
  const parts = (number: number, messages: Buffer[]): Buffer[] => messages.map((one) => field(number, one));
  const body = message(
    ...parts(1, graph.nodes),
    ...parts(5, graph.weights),
    ...parts(11, graph.inputs),
    ...parts(12, graph.outputs),
    ...graph.rest,
  );
  return message(graph.model, field(7, body));
}

class GraphReader {
  private readonly graph: OnnxGraph;

  /**
   * @param own the file's path relative to the common folder
   * @param common the folder that contains the file and those with its weights
   */
  constructor(
    private readonly file: ProtobufFile,
    private readonly own: string,
    common: string,
  ) {
    this.graph = { folder: common, model: Buffer.alloc(0), nodes: [], weights: [], inputs: [], outputs: [], rest: [] };
  }

  async read(size: number): Promise<OnnxGraph> {
    const model: Buffer[] = [];
    for await (const part of this.file.fields(0, size)) {
      if (part.number === 7) await this.readGraph(part);
      else model.push(await this.encoded(part));
    }
    return { ...this.graph, model: message(...model) };
  }

  /** GraphProto { node 1, initializer 5, input 11, output 12, value_info 13 }. */
  private async readGraph({ start, end }: Field): Promise<void> {
    const { nodes, weights, inputs, outputs, rest } = this.graph;
    for await (const part of this.file.fields(start, end)) {
      if (part.number === 5) weights.push(await this.readWeight(part));
      else if (part.number !== 13) {
        const list = { 1: nodes, 11: inputs, 12: outputs }[part.number];
        if (list) list.push(await this.file.copy(part.start, part.end));
        else rest.push(await this.encoded(part));
      }
    }
  }

  /**
   * TensorProto { float_data 4, raw_data 9, external_data 13, data_location 14 }: large values are replaced by their place
   * in the file.
   */
  private async readWeight(whole: Field): Promise<Buffer> {
    const kept: Buffer[] = [];
    for await (const part of this.file.fields(whole.start, whole.end)) {
      const length = part.end - part.start;
      // Packed floats have the layout of raw data.
      const values = part.number === 9 || part.number === 4;
      if (values && length >= INLINE_LIMIT) kept.push(externalData(this.own, part.start, length));
      else kept.push(await this.encoded(part));
    }
    return message(...kept);
  }

  /** A field as it is encoded in the file. */
  private encoded({ head, end }: Field): Promise<Buffer> {
    return this.file.copy(head, end);
  }
}

/** The innermost folder that contains all these files: ONNX Runtime reads weights only from one folder and its subfolders. */
export function commonFolder(files: string[]): string {
  let folder = dirname(files[0]);
  while (folder !== dirname(folder) && !files.every((file) => file.startsWith(folder.endsWith(sep) ? folder : folder + sep)))
    folder = dirname(folder);
  return folder;
}

function externalData(location: string, offset: number, length: number): Buffer {
  const entries = Object.entries({ location, offset, length });
  return message(...entries.map(([key, value]) => field(13, message(field(1, key), field(2, String(value))))), field(14, 1));
}
