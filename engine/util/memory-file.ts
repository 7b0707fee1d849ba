import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** The path of a file for facts about this machine, in STREAMDIFFUSION_CACHE or a folder beside the models. */
export function memoryFile(name: string, env: NodeJS.ProcessEnv = process.env): string {
  return join(env.STREAMDIFFUSION_CACHE || join(homedir(), '.streamdiffusion', 'cache'), name);
}

/** The remembered values by key, unchecked; none where the file is missing or invalid. */
export async function recall(file: string): Promise<Record<string, unknown>> {
  try {
    const kept: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof kept === 'object' && kept !== null && !Array.isArray(kept) ? (kept as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/**
 * Remembers a value, or forgets it if it is undefined. A folder that cannot be written to is not an error.
 *
 * @param most the number of values that are kept: a home folder may be moved or shared
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
    // The value is found out again at the next start.
  }
}
