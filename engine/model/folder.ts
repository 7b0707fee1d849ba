import { readFile, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../errors';

/** The nets of a model, each in a subfolder of its name, in the order in which they are loaded. */
export const netNames = ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'] as const;
export type NetName = (typeof netNames)[number];

export type Json = Record<string, unknown>;

/** One net of a model folder: where its file lies, how large it is, what its config says. */
export interface NetFiles {
  path: string;
  /** Of the .onnx and of everything beside it: large models keep their weights in files of their own. */
  bytes: number;
  config: Json;
}

/** A model folder in the diffusers ONNX layout, read without opening a net. */
export interface ModelFolder {
  path: string;
  nets: Partial<Record<NetName, NetFiles>>;
  schedulerConfig: Json;
}

/** The folder that `model` means: a path as it is, or the model that comes with this package for `'starter'`. */
export function modelPath(model: string): string {
  return model === 'starter' ? join(packageFolder(), 'models', 'starter') : model;
}

/** The nearest folder above this file with a package.json: the same one from the sources and from dist/. */
function packageFolder(): string {
  return require.resolve('../'.repeat(__dirname.split(/[\\/]/).includes('dist') ? 3 : 2) + 'package.json').replace(/package\.json$/, '');
}

/**
 * Reads what a model folder holds.
 *
 * Rejects with ENOMODEL when there is no such folder, with EBADMODEL when a config in it is not JSON.
 */
export async function readFolder(path: string): Promise<ModelFolder> {
  if (!(await isFolder(path))) {
    throw new EngineError(
      'ENOMODEL',
      `no model folder at ${path}; expected a folder with ${netNames.map((name) => `${name}/model.onnx`).join(', ')} (diffusers ONNX layout)`,
    );
  }
  const nets: ModelFolder['nets'] = {};
  for (const name of netNames) {
    const files = await readNet(join(path, name));
    if (files) nets[name] = files;
  }
  return { path, nets, schedulerConfig: (await readJson(join(path, 'scheduler', 'scheduler_config.json'))) ?? {} };
}

async function readNet(folder: string): Promise<NetFiles | undefined> {
  const path = join(folder, 'model.onnx');
  if (!(await isFile(path))) return undefined;
  return { path, bytes: await weightBytes(folder), config: (await readJson(join(folder, 'config.json'))) ?? {} };
}

/** The bytes of all files of a net except its configs. */
async function weightBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder)) {
    if (!entry.endsWith('.json')) bytes += (await stat(join(folder, entry))).size;
  }
  return bytes;
}

/** A JSON object, or undefined when there is no such file. Rejects with EBADMODEL when it is something else. */
export async function readJson(path: string): Promise<Json | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw EngineError.from(thrown, 'EBADMODEL');
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
    throw new SyntaxError('not an object');
  } catch (thrown) {
    throw EngineError.from(thrown, 'EBADMODEL', `${path} is not a JSON config: `);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** The folder of a file of the model, for messages. */
export const folderOf = dirname;
