import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { REFERENCE_MODEL, ROOT } from './reference';

/** Files of the model to replace (by bytes, or an object as JSON) or remove (by null), by their path in the folder. */
export type Changes = Record<string, Uint8Array | string | object | null>;

const made: string[] = [];

/** A copy of a model, by default the reference model, with some files changed. `removeModelFolders` removes it again. */
export async function changedModel(changes: Changes, original = REFERENCE_MODEL): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'model-'));
  made.push(folder);
  await cp(original, folder, { recursive: true, mode: 0 });
  for (const [name, content] of Object.entries(changes)) {
    const path = join(folder, name);
    await rm(path, { recursive: true, force: true });
    if (content === null) continue;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content instanceof Uint8Array || typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

/** The same with the embedded model's tokenizer, so that the reference model, which has none, reads texts. */
export async function withTokenizer(changes: Changes = {}): Promise<string> {
  const tokenizer = join(ROOT, 'models/starter/tokenizer');
  const files = (await readdir(tokenizer)).map(async (name) => [`tokenizer/${name}`, await readFile(join(tokenizer, name))] as const);
  return changedModel({ ...Object.fromEntries(await Promise.all(files)), ...changes });
}

export async function removeModelFolders(): Promise<void> {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
}
