import { readFile } from 'node:fs/promises';
import { EngineError } from './errors';

/** A JSON object whose values are still to be checked. */
export type Json = Record<string, unknown>;

/** The text of a file; undefined when there is no such file. Rejects with EBADMODEL when it cannot be read. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw EngineError.from(thrown, 'EBADMODEL');
  }
}

/**
 * The JSON object in a file; undefined when there is no such file. Rejects with EBADMODEL when it is something else.
 * T is the caller's expectation of what it holds, and not checked.
 */
export async function readJson<T extends object = Json>(path: string): Promise<T | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as T;
    throw new SyntaxError('not an object');
  } catch (thrown) {
    throw EngineError.from(thrown, 'EBADMODEL', `${path} is not a JSON object: `);
  }
}
