import { open, realpath } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { readOnnxHeader } from './file';
import { withExternalFiles } from './external';
import { field, message } from './protobuf';
import { type Field, ProtobufFile } from './protobuf-file';

/** Weights of at least this many bytes stay where they are; smaller ones (shapes, constants) come along. */
const INLINE_LIMIT = 1024;

/**
 * A net without its weights, to be changed and opened again: messages of onnx.proto, still encoded. Weights are named by
 * the file they lie in, their offset and length, so nothing of gigabytes is read or copied.
 */
export interface OnnxGraph {
  /** Where the files with the weights lie, or folders with them. ONNX Runtime reads them from there, also where nobody may write. */
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
  /** Other parts of the GraphProto. What was noted of shapes inside is left out: changes make it wrong, and it can be inferred. */
  rest: Buffer[];
}

/** Reads an .onnx file, but no weights. Rejects with EBADMODEL when it is torn. */
export async function readOnnxGraph(path: string): Promise<OnnxGraph> {
  // Download caches have links in the place of files, and large weights may be links to another disk.
  const real = await realpath(path);
  const { externalFiles } = await readOnnxHeader(path);
  const files = await Promise.all(externalFiles.map((name) => realpath(join(dirname(path), name))));
  const file = await open(real);
  try {
    const common = commonFolder([real, ...files]);
    const graph = await new GraphReader(new ProtobufFile(file, path), relative(common, real), common).read((await file.stat()).size);
    // As seen from the common folder; most often they are called the same.
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
   * @param own where the file lies, as seen from the common folder
   * @param common folder of the file and of those with its weights
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
   * TensorProto { float_data 4, raw_data 9, external_data 13, data_location 14 }: with the place where its values lie
   * instead of the values, when they are many.
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

  /** A field as it stands in the file. */
  private encoded({ head, end }: Field): Promise<Buffer> {
    return this.file.copy(head, end);
  }
}

/** The innermost folder that holds all these files: ONNX Runtime reads weights from one folder and those in it only. */
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
