import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../../errors';
import type { GraphPatch } from '../../net/onnx/patches/patch';
import type { AdapterInfo } from '../../types';
import { placed } from '../../util/place';
import { printable, quote } from '../../util/quote';
import type { ModelFiles } from '../files';
import { type Headers, readHeader } from '../headers';
import { type NetFiles, subfolders } from '../layouts';
import { Reach } from '../reach';
import type { NetName, NetRole, PerRole } from '../roles';
import type { ClaimPort } from '../unet/ports/port';
import type { Adapter, AdapterKind, Nets } from './adapter';
import { ADAPTER_KINDS } from './kinds';
import { whyUnknown } from './unknown';

/** Names are used in settings, messages, paths of nets and names of inputs. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_ .-]{0,63}$/u;
/** The names of a frame's pictures that belong to no adapter. */
const TAKEN = ['image', 'mask'];
const MOST_ADAPTERS = 32;

/** The adapters of a model, each with its kind. */
export class Adapters {
  private constructor(
    private readonly kinds: readonly AdapterKind[],
    /** Sorted by name, in whatever order they were given. */
    private readonly byKind: ReadonlyMap<AdapterKind, readonly Adapter[]>,
    /** The names of those in the model's own folder that nobody asked for. */
    readonly own: readonly string[] = [],
  ) {}

  /** No adapters; inputs that an export has for them are still filled. */
  static none(kinds: readonly AdapterKind[] = ADAPTER_KINDS): Adapters {
    return new Adapters(kinds, new Map());
  }

  /**
   * Opens the adapters at these paths, by name, and those in the model's own folder (`controlnet/NAME`).
   *
   * @param notes receives the reasons why adapters in the model's own folder cannot be used
   * @throws EBADPARAM for a name that cannot be one, EBADMODEL for what is not an adapter, or not one of this model
   */
  static async open(
    paths: Readonly<Record<string, string>> = {},
    model: { files: ModelFiles; headers: Headers },
    kinds: readonly AdapterKind[] = ADAPTER_KINDS,
    notes: string[] = [],
  ): Promise<Adapters> {
    const wanted = entriesOf(paths);
    const own = (await ownAdapters(model.files)).filter(([name]) => !wanted.some(([other]) => other === name));
    const opened = await Promise.all([
      ...wanted.map(([name, path]) => openAdapter(name, path, model, kinds)),
      ...own.map(([name, path]) =>
        openAdapter(name, path, model, kinds).catch((thrown: unknown) => void notes.push(EngineError.from(thrown, 'EBADMODEL').message)),
      ),
    ]);
    const files = opened.flatMap((one) => one ?? []);
    const names = files.map(({ adapter }) => adapter.name);
    const found = [...files, ...adaptersInModel(model.headers, names, files, kinds)].sort((a, b) =>
      a.adapter.name < b.adapter.name ? -1 : 1,
    );
    const byKind = new Map(kinds.map((kind) => [kind, found.filter((one) => one.kind === kind).map(({ adapter }) => adapter)]));
    return new Adapters(
      kinds,
      byKind,
      own.map(([name]) => name).filter((name) => names.includes(name)),
    );
  }

  /** Without those in the model's own folder that nobody asked for. */
  withoutOwn(): Adapters {
    const kept = [...this.byKind].map(([kind, adapters]) => [kind, adapters.filter(({ name }) => !this.own.includes(name))] as const);
    return new Adapters(this.kinds, new Map(kept));
  }

  get all(): Adapter[] {
    return [...this.byKind.values()].flat();
  }

  get info(): AdapterInfo[] {
    return this.all.map(({ name, kind, picture }) => ({ name, kind, ...(picture && { picture }) }));
  }

  /** The nets of the adapters, and their headers. Rejects as {@link readHeader} does. */
  async nets(): Promise<{ files: PerRole<NetFiles>; headers: Headers }> {
    const files = Object.assign({}, ...this.all.map(({ nets }) => nets)) as PerRole<NetFiles>;
    const headers: Headers = Object.assign({}, ...this.all.map(({ heads }) => heads));
    for (const [role, net] of Object.entries(files) as [NetRole, NetFiles][])
      headers[role] ??= await readHeader(role, net, { reach: await Reach.of(dirname(net.path)) });
    return { files, headers };
  }

  patches(net: NetName, executionProvider: string): GraphPatch[] {
    return this.kinds.flatMap((kind) => {
      const adapters = this.byKind.get(kind) ?? [];
      return adapters.length > 0 ? (kind.patches?.(net, adapters, executionProvider) ?? []) : [];
    });
  }

  ports(nets: Nets): ClaimPort[] {
    return this.kinds.flatMap((kind) => kind.ports?.(this.byKind.get(kind) ?? [], nets) ?? []);
  }
}

/** The adapters in a model's folder (`controlnet/NAME`), which are opened with it. */
export async function ownAdapters({ folder }: ModelFiles): Promise<[name: string, path: string][]> {
  const names = (await subfolders(join(folder, 'controlnet'))).filter((name) => NAME.test(name) && !TAKEN.includes(name));
  return names.sort().map((name) => [name, join(folder, 'controlnet', name)]);
}

/** An adapter with its kind. */
interface Opened {
  kind: AdapterKind;
  adapter: Adapter;
}

/**
 * The adapters that are part of a model's nets, under names that no other adapter has.
 *
 * @param opened the adapters from files
 */
export function adaptersInModel(
  headers: Headers,
  taken: readonly string[],
  opened: readonly Opened[],
  kinds: readonly AdapterKind[],
): Opened[] {
  const freeName = (name: string): string => (taken.includes(name) ? freeName(`${name} in the model`) : name);
  return kinds.flatMap((kind) => {
    const ofKind = opened.filter((one) => one.kind === kind).map(({ adapter }) => adapter);
    return (kind.inModel?.(headers, ofKind) ?? []).map((adapter) => ({ kind, adapter: { ...adapter, name: freeName(adapter.name) } }));
  });
}

function entriesOf(paths: unknown): [name: string, path: string][] {
  if (typeof paths !== 'object' || paths === null || Array.isArray(paths))
    throw new EngineError('EBADPARAM', `adapters must be paths by names, such as { edges: "/models/canny" }; got ${quote(paths)}`);
  const entries: [string, unknown][] = Object.entries(paths);
  if (entries.length > MOST_ADAPTERS) throw new EngineError('EBADPARAM', `at most ${MOST_ADAPTERS} adapters; got ${entries.length}`);
  for (const [name, path] of entries) checkAdapter(name, path);
  return (entries as [string, string][]).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** @throws EBADPARAM for an invalid name or path */
export function checkAdapter(name: string, path: unknown): asserts path is string {
  if (!NAME.test(name) || TAKEN.includes(name))
    throw new EngineError(
      'EBADPARAM',
      `an adapter's name is up to 64 letters, digits, blanks and . _ -, and not ${TAKEN.join(' or ')}; got ${quote(name)}`,
    );
  if (typeof path !== 'string' || path === '')
    throw new EngineError('EBADPARAM', `the adapter ${quote(name)} must be the path of a file or folder; got ${quote(path)}`);
}

/** @throws EBADMODEL for what is not an adapter, or not one of this model */
export async function openAdapter(
  name: string,
  path: string,
  model: { files: ModelFiles; headers: Headers },
  kinds: readonly AdapterKind[],
): Promise<Opened> {
  const real = await realpath(path).catch(() => undefined);
  const found = real === undefined ? undefined : await stat(real);
  if (real === undefined || !found || !(found.isDirectory() || found.isFile()))
    throw new EngineError('EBADMODEL', `the adapter ${quote(name)}: there is no file or folder at ${printable(placed(path), 1000)}`);
  const source = { ...model, name, path: real, isFolder: found.isDirectory(), reach: await Reach.of(path) };
  try {
    for (const kind of kinds) {
      const adapter = await kind.open(source);
      if (adapter) return { kind, adapter };
    }
  } catch (thrown) {
    const { code, message } = EngineError.from(thrown, 'EBADMODEL');
    throw new EngineError(code, `the adapter ${quote(name)}: ${message}`, { cause: thrown });
  }
  const known = kinds.map(({ kind }) => kind);
  const why = await whyUnknown(path, real, source.isFolder, known);
  throw new EngineError('EBADMODEL', `the adapter ${quote(name)}: ${why}`);
}
