import { constants } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { HeaderNet } from '../../../engine/model/headers';
import { readOnnxHeader } from '../../../engine/net/onnx/file';
import { type OnnxGraph, writeOnnxGraph } from '../../../engine/net/onnx/graph';
import { externalFilesOf, withExternalFiles } from '../../../engine/net/onnx/external';

/**
 * Puts a net into a folder as model.onnx, with its weights beside it. Large files share their blocks with the originals where
 * the file system supports it.
 *
 * @param path of the net in its model folder
 */
export async function placeNet(path: string, { graph }: Pick<HeaderNet, 'graph'>, folder: string): Promise<void> {
  if (graph) return placeGraph(graph, folder);
  await copy(path, join(folder, 'model.onnx'));
  const { externalFiles } = await readOnnxHeader(path);
  for (const name of new Set(externalFiles)) await copy(join(dirname(path), name), join(folder, name));
}

/** Writes an edited graph, with copies of the files that hold its weights. */
async function placeGraph(graph: OnnxGraph, folder: string): Promise<void> {
  const names = new Map(externalFilesOf(graph).map((location, k) => [location, `weights-${k}-${basename(location)}`]));
  for (const [location, name] of names) await copy(resolve(graph.folder, location), join(folder, name));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.onnx'), writeOnnxGraph(withExternalFiles(graph, names)));
}

async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to, constants.COPYFILE_FICLONE);
}
