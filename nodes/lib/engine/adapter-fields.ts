import { EngineError } from '../../../engine/errors';
import { quote } from '../../../engine/util/quote';
import { isEmpty } from '../common/fields';

/** A row of the dialog's list of adapters. */
export interface AdapterField {
  name: string;
  /** The path of a file or folder. */
  path: string;
}

/**
 * Reads the adapters of an engine, as the dialog saves them (a list of names and paths) or as in flows written by hand (paths
 * by name). Empty rows are left out. Whether the names and files are usable is checked by the engine.
 *
 * @throws EBADPARAM
 */
export function readAdapters(value: unknown): Record<string, string> | undefined {
  if (isEmpty(value)) return undefined;
  const rows = Array.isArray(value) ? value : rowsOf(value);
  const adapters = new Map<string, string>();
  for (const row of rows) {
    const { name, path } = readRow(row);
    if (name === '' && path === '') continue;
    if (name === '' || path === '')
      throw new EngineError('EBADPARAM', `an adapter needs a name and a path; got the name ${quote(name)} and the path ${quote(path)}`);
    if (adapters.has(name)) throw new EngineError('EBADPARAM', `two adapters are called ${quote(name)}`);
    adapters.set(name, path);
  }
  return adapters.size > 0 ? Object.fromEntries(adapters) : undefined;
}

function rowsOf(value: unknown): unknown[] {
  if (typeof value === 'object' && value !== null) return Object.entries(value).map(([name, path]: [string, unknown]) => ({ name, path }));
  throw new EngineError('EBADPARAM', `adapters must be a list of { name, path }; got ${quote(value)}`);
}

function readRow(row: unknown): AdapterField {
  const { name = '', path = '' } = (typeof row === 'object' && row !== null ? row : { name: row }) as Record<string, unknown>;
  if (typeof name === 'string' && typeof path === 'string') return { name: name.trim(), path: path.trim() };
  throw new EngineError('EBADPARAM', `an adapter is { name, path }, both texts; got ${quote(row)}`);
}
