import { EngineError } from '../../errors';
import { LruCache } from '../../util/lru-cache';
import type { LocalNet, Pixels, PixelTensor, Tensor, TensorInfo } from '../net';
import { ALONE, type PlacedNet } from '../pool/place';
import { withRows } from '../rows';
import { withFixedSizes } from '../onnx/edit';
import type { OnnxGraph } from '../onnx/graph';

/** Picture sizes whose nets are kept open at the same time: each holds the weights again. */
const SIZES_KEPT = 2;

/**
 * Execution providers that compile a whole graph ahead of its runs and are documented to do so best for known sizes. Others
 * are left as they are: measured gains are 1 to 5 % on cpu and none on webgpu. On cuda, where each operator is a launch, there is
 * little to fold: of the embedded UNet's 276 operators, once the arithmetic of sizes is taken out of its graph, fixed sizes leave 268
 * (348 of 577 as it was exported), and every size would hold the weights again.
 */
const COMPILING = ['dml', 'coreml'];

/** Whether an execution provider, such as `cuda:1`, works better with fixed sizes. */
export function prefersFixedShapes(provider: string): boolean {
  return COMPILING.includes(provider.split(':')[0]);
}

/** What is fed to a net, by name. */
type Sized = Record<string, { dims: number[] }>;

interface Session {
  /** Rows a run; fewer are filled up. */
  rows: number;
  net: Promise<LocalNet>;
}

/**
 * A net that is opened anew, with numbers in the place of its free sizes, for every picture size it meets. Fewer rows
 * than were met before are filled up with copies of the last, so that a stream that fills or drains compiles nothing.
 */
export class FixedShapeNet implements LocalNet, PlacedNet {
  readonly inputs: TensorInfo[];
  readonly outputs: TensorInfo[];
  readonly place = { ...ALONE, compilesShapes: true };
  /** By the sizes but for the rows. */
  private readonly sessions = new LruCache<Session>(SIZES_KEPT);
  private closed = false;

  private constructor(
    private readonly graph: OnnxGraph,
    private readonly open: (graph: OnnxGraph) => Promise<LocalNet>,
    /** Open until the first size is known. */
    private free: LocalNet | undefined,
  ) {
    this.inputs = free?.inputs ?? [];
    this.outputs = free?.outputs ?? [];
  }

  /** Opens the net as it is first: what is wrong with it is found now, not when the first stream begins. */
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

  /** Of one picture, so that no rows are to be filled up. */
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

  /** The net for these sizes and at least so many rows. */
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

  /** Closes what it takes the place of first: memory for the weights twice may not be there. */
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

/** A net that could not be opened needs no closing: whoever asked for it has heard why. */
async function closeSession({ net }: Session): Promise<void> {
  const opened = await net.catch(() => undefined);
  await opened?.close();
}
