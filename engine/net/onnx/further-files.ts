import { join, relative } from 'node:path';
import { externalFilesOf, withExternalFiles } from './external';
import { commonFolder, type OnnxGraph } from './graph';

/**
 * Widens a graph's folder until it contains these files, so that weights can be read from them in place.
 *
 * @param files absolute paths without links
 * @returns the graph, and the files' names relative to its new folder
 */
export function withReachTo(graph: OnnxGraph, files: readonly string[]): { graph: OnnxGraph; locations: string[] } {
  const folder = commonFolder([join(graph.folder, 'own'), ...files]);
  const locations = files.map((file) => relative(folder, file));
  if (folder === graph.folder) return { graph, locations };
  const names = new Map(externalFilesOf(graph).map((name) => [name, relative(folder, join(graph.folder, name))]));
  return { graph: { ...withExternalFiles(graph, names), folder }, locations };
}
