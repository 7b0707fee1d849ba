import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** A file in STREAMDIFFUSION_CACHE, or in a folder beside that of the models: what was found out about this machine. */
export function memoryFile(name: string, env: NodeJS.ProcessEnv = process.env): string {
  return join(env.STREAMDIFFUSION_CACHE || join(homedir(), '.streamdiffusion', 'cache'), name);
}

/** All that is remembered, by key; nothing where the file is not there or makes no sense. Values are still to be checked. */
export async function recall(file: string): Promise<Record<string, unknown>> {
  try {
    const kept: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof kept === 'object' && kept !== null && !Array.isArray(kept) ? (kept as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/**
 * Remembers a value, or with undefined forgets it. A folder that cannot be written to costs another try, and no error.
 *
 * @param most how many are kept: a home folder may be moved or shared
 */
export async function remember(file: string, key: string, value: unknown, most: number): Promise<void> {
  const { [key]: _, ...others } = await recall(file);
  const kept = Object.entries(others).slice(1 - most);
  const temporary = `${file}.${process.pid}`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(temporary, `${JSON.stringify(Object.fromEntries(value === undefined ? kept : [...kept, [key, value]]), null, 1)}\n`);
    await rename(temporary, file);
  } catch {
    // It is found out again at the next start.
  }
}
