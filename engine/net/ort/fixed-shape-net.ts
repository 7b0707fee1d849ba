import { EngineError } from '../../errors';
import { LruCache } from '../../util/lru-cache';
import type { LocalNet, Pixels, PixelTensor, Tensor, TensorInfo } from '../net';
import { ALONE, type PlacedNet } from '../pool/place';
import { withRows } from '../rows';
import { withFixedSizes } from '../onnx/edit';
import type { OnnxGraph } from '../onnx/graph';

/** The number of picture sizes whose nets are kept open at the same time: each holds a copy of the weights. */
const SIZES_KEPT = 2;

/**
 * Execution providers that compile a whole graph before its first run, and that are documented to do so best for known sizes. The
 * others run with free sizes: measured gains are 1 to 5 % on cpu and none on webgpu. On cuda, where each operator is a launch,
 * there is little to fold: of the embedded UNet's 276 operators after its shape arithmetic is removed, fixed sizes leave 268
 * (348 of 577 as it was exported), and every size would hold a copy of the weights.
 */
const COMPILING = ['dml', 'coreml'];

/** Whether an execution provider, such as `cuda:1`, works better with fixed sizes. */
export function prefersFixedShapes(provider: string): boolean {
  return COMPILING.includes(provider.split(':')[0]);
}

/** The inputs of a run, by name. */
type Sized = Record<string, { dims: number[] }>;

interface Session {
  /** Rows per run; fewer are filled up. */
  rows: number;
  net: Promise<LocalNet>;
}

/**
 * A net that is opened once for every picture size, with numbers instead of its free sizes. Runs with fewer rows than an
 * earlier run are filled up with copies of the last row, so that a stream that fills or drains compiles nothing.
 */
export class FixedShapeNet implements LocalNet, PlacedNet {
  readonly inputs: TensorInfo[];
  readonly outputs: TensorInfo[];
  readonly place = { ...ALONE, compilesShapes: true };
  /** The sessions by all sizes except the number of rows. */
  private readonly sessions = new LruCache<Session>(SIZES_KEPT);
  private closed = false;

  private constructor(
    private readonly graph: OnnxGraph,
    private readonly open: (graph: OnnxGraph) => Promise<LocalNet>,
    /** The net with free sizes, open until the first size is known. */
    private free: LocalNet | undefined,
  ) {
    this.inputs = free?.inputs ?? [];
    this.outputs = free?.outputs ?? [];
  }

  /** Opens the net with free sizes first, so that its errors are found now and not when the first stream begins. */
  static async load(graph: OnnxGraph, open: (graph: OnnxGraph) => Promise<LocalNet>): Promise<FixedShapeNet> {
    return new FixedShapeNet(graph, open, await open(graph));
  }

  async run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
    const { session, batched, rows } = await this.prepare(feeds);
    const filled = Object.entries(feeds).map(
      ([name, tensor]) => [name, batched.includes(name) ? withRows(tensor, session.rows) : tensor] as const,
    );
    const outputs = await (await session.net).run(Object.fromEntries(filled));
    if (session.rows === rows) return outputs;
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, withRows(tensor, rows)]));
  }

  /** A run with one picture, so there are no rows to fill up. */
  async runPixels(feeds: Record<string, Tensor | PixelTensor>, pixels: Pixels): Promise<Record<string, Tensor | PixelTensor>> {
    const { session } = await this.prepare(feeds);
    return (await session.net).runPixels(feeds, pixels);
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([this.free?.close(), ...this.sessions.clear().map(closeSession)]);
  }

  private async prepare(feeds: Sized): Promise<{ session: Session; batched: string[]; rows: number }> {
    if (this.closed) throw new EngineError('ECLOSED', 'this net was closed');
    const batched = this.inputs.filter(({ shape }) => typeof shape[0] === 'string').map(({ name }) => name);
    const rows = batched.length > 0 ? feeds[batched[0]].dims[0] : 1;
    return { session: await this.session(feeds, batched, rows), batched, rows };
  }

  /** The session for these sizes and at least this many rows. */
  private async session(feeds: Sized, batched: string[], rows: number): Promise<Session> {
    const key = Object.entries(feeds)
      .map(([name, { dims }]) => [name, ...(batched.includes(name) ? dims.slice(1) : dims)].join())
      .join(';');
    const kept = this.sessions.get(key);
    if (kept && kept.rows >= rows) return kept;
    const session = { rows, net: this.openFixed(feeds, batched, rows, kept) };
    session.net.catch(() => this.sessions.delete(key, session));
    const evicted = this.sessions.set(key, session);
    if (evicted) await closeSession(evicted);
    return session;
  }

  /** Closes the session that it replaces first: there may not be enough memory for the weights twice. */
  private async openFixed(feeds: Sized, batched: string[], rows: number, outgrown: Session | undefined): Promise<LocalNet> {
    const free = this.free;
    this.free = undefined;
    await free?.close();
    if (outgrown) await closeSession(outgrown);
    const shapes = Object.entries(feeds).map(
      ([name, { dims }]) => [name, batched.includes(name) ? [rows, ...dims.slice(1)] : dims] as const,
    );
    return this.open(withFixedSizes(this.graph, Object.fromEntries(shapes)));
  }
}

/** Closes a session. One that could not be opened is passed over: whoever asked for it got the error. */
async function closeSession({ net }: Session): Promise<void> {
  const opened = await net.catch(() => undefined);
  await opened?.close();
}
