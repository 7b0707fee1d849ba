import { copyFile, mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { externalFilesOf, withExternalFiles } from '../../engine/net/onnx/external';
import { type OnnxGraph, readOnnxGraph, writeOnnxGraph } from '../../engine/net/onnx/graph';
import { field, fieldsOf, message } from '../../engine/net/onnx/protobuf';

/** A net as another exporter might have written it: a changed copy in a folder of its own. */
export async function rewritten(path: string, folder: string, change: (graph: OnnxGraph) => OnnxGraph): Promise<string> {
  const graph = await readOnnxGraph(path);
  await mkdir(folder, { recursive: true });
  const files = externalFilesOf(graph);
  for (const [k, file] of files.entries()) await copyFile(join(await realpath(graph.folder), file), join(folder, `weights_${k}`));
  const moved = withExternalFiles(graph, new Map(files.map((file, k) => [file, `weights_${k}`])));
  await writeFile(join(folder, 'model.onnx'), writeOnnxGraph(change(moved)));
  return folder;
}

/** The graph with other names for some tensors, wherever they are used. */
export function renamed(graph: OnnxGraph, names: Record<string, string>): OnnxGraph {
  const rename = (bytes: Buffer, fields: number[]): Buffer =>
    message(
      ...fieldsOf(bytes).map((part) => {
        const name = fields.includes(part.number) ? names[part.bytes.toString('utf8')] : undefined;
        return name === undefined ? part.encoded : field(part.number, name);
      }),
    );
  return {
    ...graph,
    nodes: graph.nodes.map((node) => rename(node, [1, 2])),
    inputs: graph.inputs.map((input) => rename(input, [1])),
    outputs: graph.outputs.map((output) => rename(output, [1])),
    weights: graph.weights.map((weight) => rename(weight, [8])),
  };
}
