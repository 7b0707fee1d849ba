import { EngineError } from '../../../engine/errors';
import { quote } from '../../../engine/util/quote';
import { isEmpty } from '../common/fields';

/** A row of the dialog's list. */
export interface AdapterField {
  name: string;
  /** Of a file or folder. */
  path: string;
}

/**
 * The adapters of an engine, as the dialog has them (a list of names and paths) or as flows that were written by hand do (paths
 * by names). Rows that were left empty count as none. Whether the names and files can be used the engine says.
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
