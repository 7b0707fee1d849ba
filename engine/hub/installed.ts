import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelReport, inspectModel } from '../model/folder';
import { onDisk } from './disk';
import { type Manifest, readManifest } from './manifest';
import { isRepositoryName } from './repository';

/** A model in the folder of models. */
export interface InstalledModel {
  /** Its place in the folder of models: OWNER/NAME for pulled ones. */
  name: string;
  folder: string;
  /** All files together. */
  bytes: number;
  report: ModelReport;
  /** Where it was pulled from, if it was. */
  manifest: Manifest | undefined;
}

/** The models in a folder and in its subfolders, by name. A folder that is not there has none. */
export async function listInstalled(modelsFolder: string): Promise<InstalledModel[]> {
  const names: string[] = [];
  for (const name of await subfolders(modelsFolder)) {
    names.push(name, ...(await subfolders(join(modelsFolder, name))).map((inner) => `${name}/${inner}`));
  }
  const models: InstalledModel[] = [];
  for (const name of names.sort()) {
    const folder = join(modelsFolder, name);
    const [report, manifest] = [await inspectModel(folder), await readManifest(folder)];
    if (report.nets.length > 0 || manifest) models.push({ name, folder, bytes: await folderBytes(folder), report, manifest });
  }
  return models;
}

/** The folder that is meant: `starter`, a path, or the name of a repository that was pulled. */
export async function findModel(nameOrFolder: string, modelsFolder: string): Promise<string> {
  if (nameOrFolder === 'starter' || !isRepositoryName(nameOrFolder) || (await isFolder(nameOrFolder))) return nameOrFolder;
  const pulled = join(modelsFolder, nameOrFolder);
  return (await isFolder(pulled)) ? pulled : nameOrFolder;
}

/** What differs from what was pulled, in sentences: files that are missing or of another length. */
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
  return entries.filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.')).map(({ name }) => name);
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
