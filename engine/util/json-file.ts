import { readBounded } from './bounded-file';
import { EngineError } from '../errors';
import { printable } from './quote';

/** A JSON object with unchecked values. */
export type Json = Record<string, unknown>;

/** The largest text file, bytes. The largest are vocabularies: CLIP's have 3 MB, those of many languages 20. */
const LARGEST_TEXT = 2 ** 25;

/** The text of a file; undefined when there is no such file. Rejects with EBADMODEL when it cannot be read. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readBounded(path, LARGEST_TEXT)).toString('utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR')) return undefined;
    throw EngineError.from(thrown, 'EBADMODEL');
  }
}

/**
 * The JSON object in a file; undefined when there is no such file. Rejects with EBADMODEL when it is something else, without
 * quoting it, since the file may be a private one. T is the caller's expectation and is not checked.
 */
export async function readJson<T extends object = Json>(path: string): Promise<T | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  const wrong = (how: string): EngineError =>
    new EngineError('EBADMODEL', `${printable(path, 1000)} is not a JSON object${how}; download it again`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    const [, at] = /at position (\d+)/.exec((thrown as Error).message) ?? [];
    throw wrong(at === undefined ? '' : `: it makes no sense from character ${at} on`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as T;
  throw wrong(`, but ${Array.isArray(value) ? 'a list' : typeof value}`);
}
