import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelReport, inspectModel } from '../model/folder';
import { onDisk } from './disk';
import { type Manifest, readManifest } from './manifest';
import { isRepositoryName } from './repository';

/** A model or an adapter in the folder of models. */
export interface InstalledModel {
  /** Its place in the folder of models: OWNER/NAME for pulled ones. */
  name: string;
  folder: string;
  /** The size of all files together. */
  bytes: number;
  report: ModelReport;
  /** Where it was pulled from; undefined if it was not. */
  manifest: Manifest | undefined;
}

/** The models in a folder, sorted by name: pulled ones in OWNER/NAME, others in folders that people put there. Empty when there is no such folder. */
export async function listInstalled(modelsFolder: string): Promise<InstalledModel[]> {
  const models: InstalledModel[] = [];
  for (const name of await subfolders(modelsFolder)) {
    const pulled: InstalledModel[] = [];
    for (const inner of await subfolders(join(modelsFolder, name))) {
      const model = await lookInto(modelsFolder, `${name}/${inner}`);
      if (model?.manifest) pulled.push(model);
    }
    const own = pulled.length === 0 ? await lookInto(modelsFolder, name) : undefined;
    models.push(...(own ? [own] : pulled));
  }
  return models;
}

async function lookInto(modelsFolder: string, name: string): Promise<InstalledModel | undefined> {
  const folder = join(modelsFolder, name);
  const [report, manifest] = [await inspectModel(folder), await readManifest(folder)];
  if (report.nets.length + report.alone.length === 0 && !manifest) return undefined;
  return { name, folder, bytes: await folderBytes(folder), report, manifest };
}

/** The folder of a model that is named `starter`, by its path, or by the repository that it was pulled from. */
export async function findModel(nameOrFolder: string, modelsFolder: string): Promise<string> {
  if (nameOrFolder === 'starter' || !isRepositoryName(nameOrFolder) || (await isFolder(nameOrFolder))) return nameOrFolder;
  const pulled = join(modelsFolder, nameOrFolder);
  return (await isFolder(pulled)) ? pulled : nameOrFolder;
}

/** The differences from what was pulled, in sentences: files that are missing or have another length. */
export async function compareToManifest(folder: string, { repository, files }: Manifest): Promise<string[]> {
  const problems: string[] = [];
  for (const { path, bytes } of files) {
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (found?.size === bytes) continue;
    const state = found ? `has ${found.size} bytes instead of ${bytes}` : 'is missing';
    problems.push(`${path} ${state}; "streamdiffusion models pull ${repository}" repairs it.`);
  }
  return problems;
}

async function subfolders(folder: string): Promise<string[]> {
  if (!(await isFolder(folder))) return [];
  const entries = await onDisk(() => readdir(folder, { withFileTypes: true }));
  const folders = entries.filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'));
  return folders.map(({ name }) => name).sort();
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await onDisk(() => readdir(folder, { recursive: true }))) {
    const entry = await stat(join(folder, name)).catch(() => undefined);
    if (entry?.isFile()) bytes += entry.size;
  }
  return bytes;
}
