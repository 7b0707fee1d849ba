import { EngineError } from '../../errors';
import { LruCache } from '../../util/lru-cache';
import type { Net, Tensor, TensorInfo } from '../net';
import { ALONE, type Place, type PlacedNet } from '../pool/place';
import { byteLength, inParts, joined, tensorFrom } from '../rows';
import { type Agreement, agree, type ExpectedNet } from './agreement';
import { largestRun } from './bounds';
import { datatypeOf } from './datatypes';
import { readAccess, readCertificates, type ServerAccess } from './options';
import { Replica } from './replica';
import { type GivenTensor, nonsense, type SentTensor, ServerFailure } from './transport';

/** The deadline of the first run of a shape, ms: servers compile kernels or whole engines then. */
const FIRST_RUN_DEADLINE = 60_000;
/** The number of shapes whose runs are remembered. */
const SHAPES_KEPT = 64;

/**
 * A net on a server of the Open Inference Protocol, or on several equal ones. A run that fails on one of them is tried on
 * the others: runs have no side effects, so one may be computed twice.
 *
 * An answer is used only when it has the right outputs, types, sizes and number of bytes, and comes from a server that was
 * compared with the model folder and has not disconnected since.
 */
export class ServerNet implements PlacedNet {
  readonly inputs: TensorInfo[];
  readonly outputs: TensorInfo[];
  /** The lengths of the outputs, bytes by name, for the shapes of inputs that have been run. */
  private readonly lengths = new LruCache<ReadonlyMap<string, number>>(SHAPES_KEPT);
  private readonly running = new Set<Promise<unknown>>();
  private next = 0;
  private closed = false;
  /** Problems that do not prevent runs, in sentences. */
  readonly warnings: string[] = [];

  private constructor(
    private readonly model: string,
    private readonly expected: ExpectedNet,
    private readonly timeoutMs: number,
    private readonly replicas: Replica[],
    agreement: Agreement,
  ) {
    this.inputs = agreement.inputs;
    this.outputs = agreement.outputs;
    // Flows begin with different replicas.
    this.next = Math.floor(Math.random() * replicas.length);
  }

  /**
   * Compares every server that can be reached with the model folder.
   *
   * Rejects with ENETWORK, ETIMEOUT or EDENIED when none can be used, with EBADMODEL when one has another model, with
   * EBADPARAM for addresses or credentials that cannot work.
   *
   * @param model its name on the servers
   */
  static async open(model: string, expected: ExpectedNet, settings: ServerAccess): Promise<ServerNet> {
    const { addresses, access } = readAccess(settings);
    if (settings.ca) access.ca = await readCertificates(settings.ca);
    const replicas = addresses.map((address) => new Replica(address, access, largestRun(expected.outputs)));
    try {
      const checks = await Promise.allSettled(replicas.map((replica) => check(replica, model, expected, access.timeoutMs)));
      const reasons = checks.flatMap((one) => (one.status === 'rejected' ? [EngineError.from(one.reason, 'ENETWORK')] : []));
      const other = reasons.find(({ code }) => code === 'EBADMODEL');
      const agreement = replicas.find((replica) => replica.agreement)?.agreement;
      if (other || !agreement) throw other ?? reasons[0];
      const net = new ServerNet(model, expected, access.timeoutMs, replicas, agreement);
      if (new Set(replicas.flatMap((replica) => replica.agreement?.int8 ?? [])).size > 1) {
        net.warnings.push(`Some addresses have "${model}" in int8 and others do not, so pictures differ a little from frame to frame.`);
      }
      net.warnings.push(...reasons.map(({ message }) => `${message}. The other addresses are used.`));
      return net;
    } catch (thrown) {
      await Promise.all(replicas.map((replica) => replica.close()));
      throw thrown;
    }
  }

  /** Allows as many runs as the servers have copies of the net: more would wait there. */
  get place(): Place {
    return { ...ALONE, instances: this.replicas.reduce((sum, { agreement }) => sum + (agreement?.instances ?? 0), 0) || 1 };
  }

  get int8(): boolean {
    return this.replicas.some(({ agreement }) => agreement?.int8);
  }

  /** The usable servers on this machine, each with the reason why shared memory is off; undefined where it is in use. */
  get sharedMemory(): { where: string; off: string | undefined }[] {
    return this.replicas.flatMap(({ text, memory, agreement }) => (memory && agreement ? [{ where: text, off: memory.off }] : []));
  }

  async run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
    if (this.closed) throw new EngineError('ECLOSED', `${this.model} was closed`);
    const run = this.compute(feeds);
    this.running.add(run);
    try {
      return await run;
    } finally {
      this.running.delete(run);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.allSettled(this.running);
    await Promise.all(this.replicas.map((replica) => replica.close()));
  }

  /** Rows beyond a server's limit are sent in several parallel runs, so that its instances share them. */
  private async compute(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
    const rows = this.rowsOf(feeds);
    const most = Math.min(...this.replicas.map(({ agreement }) => agreement?.maxRows ?? Infinity));
    if (rows === undefined || rows <= most) return this.somewhere(feeds, rows);
    const parts = Object.entries(feeds).map(([name, tensor]) => [name, this.isBatched(name) ? inParts(tensor, most) : undefined] as const);
    const count = Math.ceil(rows / most);
    const runs = Array.from({ length: count }, (_, i) => {
      const own = Object.fromEntries(parts.map(([name, cut]) => [name, cut ? cut[i] : feeds[name]]));
      return this.somewhere(own, this.rowsOf(own));
    });
    const results = await Promise.all(runs);
    return Object.fromEntries(this.outputs.map(({ name }) => [name, joined(results.map((result) => result[name]))]));
  }

  /** The rows of a run; undefined for a net without rows. */
  private rowsOf(feeds: Record<string, Tensor>): number | undefined {
    const batched = this.inputs.find(({ shape }) => typeof shape[0] === 'string');
    return batched && feeds[batched.name].dims[0];
  }

  private isBatched(name: string): boolean {
    return typeof this.inputs.find((input) => input.name === name)?.shape[0] === 'string';
  }

  /** Runs on the replica with the fewest runs under way, otherwise on the next. Each is tried once, or again where a kept connection had ended. */
  private async somewhere(feeds: Record<string, Tensor>, rows: number | undefined): Promise<Record<string, Tensor>> {
    const left = new Set(this.replicas);
    const again = new Set<Replica>();
    const failures: ServerFailure[] = [];
    for (;;) {
      const replica = this.choose(left);
      if (!replica) throw summary(failures);
      try {
        return await this.on(replica, feeds, rows);
      } catch (thrown) {
        if (!(thrown instanceof ServerFailure && thrown.elsewhere)) throw thrown;
        replica.agreement = undefined;
        if (thrown.isStale && !again.has(replica)) {
          again.add(replica);
          continue;
        }
        left.delete(replica);
        replica.failed();
        // A server that was restarted compiles again.
        if (thrown.code === 'ENETWORK') this.lengths.clear();
        failures.push(thrown);
      }
    }
  }

  /** Prefers replicas that are known to work; the others are rechecked meanwhile, so that no frame waits for them. */
  private choose(left: Set<Replica>): Replica | undefined {
    const candidates = [...left];
    const sound = candidates.filter(({ agreement }) => agreement);
    if (sound.length > 0) {
      for (const replica of candidates) {
        if (!replica.agreement && !replica.isResting) void this.recheck(replica);
      }
    }
    const awake = candidates.filter(({ isResting }) => !isResting);
    const among = sound.length > 0 ? sound : awake.length > 0 ? awake : candidates;
    const least = Math.min(...among.map(({ busy }) => busy));
    const idle = among.filter(({ busy }) => busy === least);
    return idle[this.next % idle.length];
  }

  /** Checks whether an unreachable server is back and still serves this net. */
  private async recheck(replica: Replica): Promise<void> {
    // Counts as a failure until the answer has arrived, so that nobody asks again meanwhile.
    replica.failed();
    await this.check(replica).catch(() => undefined);
  }

  private async check(replica: Replica): Promise<Agreement> {
    const agreement = await check(replica, this.model, this.expected, this.timeoutMs);
    if (sameTensors(agreement, this)) return agreement;
    replica.agreement = undefined;
    throw new ServerFailure('EBADMODEL', `${replica.text} serves ${this.model} in other types or sizes than before; deploy again`, true);
  }

  private async on(
    replica: Replica,
    feeds: Record<string, Tensor>,
    rows: number | undefined,
    isRepeated = false,
  ): Promise<Record<string, Tensor>> {
    const agreement = replica.agreement ?? (await this.check(replica));
    const inputs = this.inputs.map(({ name }): SentTensor => {
      const { type, data, dims } = feeds[name];
      return { name, datatype: datatypeOf(type), shape: agreement.columns.includes(name) ? [...dims, 1] : dims, data };
    });
    const outputs = this.outputs.map(({ name }) => ({ name }));
    const shapes = inputs.map(({ shape }) => shape.join()).join(';');
    const lengths = this.lengths.get(shapes);
    const deadline = lengths ? this.timeoutMs : Math.max(FIRST_RUN_DEADLINE, this.timeoutMs);
    replica.busy++;
    try {
      const answer = await replica.infer({ model: this.model, inputs, outputs }, lengths, deadline);
      const before = replica.version;
      replica.version = answer.version;
      if (before !== undefined && answer.version !== before) {
        // Another version has replaced the one that was compared with the model folder: its answer is not used.
        replica.agreement = undefined;
        if (isRepeated) throw nonsense(replica.text, `versions ${before} and ${answer.version} of "${this.model}" in turn`);
        return await this.on(replica, feeds, rows, true);
      }
      const results = this.outputs.map(
        (output) => [output.name, checked(output, answer.outputs.get(output.name), rows, agreement, replica.text)] as const,
      );
      replica.worked();
      this.lengths.set(shapes, new Map(results.map(([name, { data }]) => [name, data.byteLength])));
      return Object.fromEntries(results);
    } finally {
      replica.busy--;
    }
  }
}

async function check(replica: Replica, model: string, expected: ExpectedNet, timeoutMs: number): Promise<Agreement> {
  const head = await replica.transport.describe(model, timeoutMs);
  try {
    replica.agreement = await agree(expected, head, `"${model}" on ${replica.text}`);
  } catch (thrown) {
    const { code, message } = EngineError.from(thrown, 'EBADMODEL');
    throw new ServerFailure(code, message, true, { cause: thrown });
  }
  replica.worked();
  await replica.memory?.prepare(timeoutMs);
  return replica.agreement;
}

function sameTensors(a: Pick<Net, 'inputs' | 'outputs'>, b: Pick<Net, 'inputs' | 'outputs'>): boolean {
  return JSON.stringify([a.inputs, a.outputs]) === JSON.stringify([b.inputs, b.outputs]);
}

/** Checks an output and returns it as a tensor. */
function checked(
  output: TensorInfo,
  given: GivenTensor | undefined,
  rows: number | undefined,
  { columns }: Agreement,
  where: string,
): Tensor {
  const { name, type, shape: wanted } = output;
  if (!given) throw nonsense(where, `no output "${name}"`);
  const shape = columns.includes(name) ? given.shape.slice(0, -1) : given.shape;
  const sizes = wanted.map((size, i) => (typeof size === 'number' ? size : i === 0 ? rows : undefined));
  const fits = shape.length === sizes.length && shape.every((size, i) => size > 0 && (sizes[i] === undefined || sizes[i] === size));
  if (given.datatype !== datatypeOf(type) || !fits) {
    throw nonsense(
      where,
      `"${name}" as ${given.datatype} [${given.shape.join(', ')}], where ${datatypeOf(type)} [${sizes.map((size) => size ?? '?').join(', ')}] was expected`,
    );
  }
  const { bytes } = given;
  if (bytes?.length !== byteLength(type, shape))
    throw nonsense(where, `${bytes?.length ?? 'no'} bytes for "${name}" [${shape.join(', ')}]`);
  return tensorFrom(type, bytes, shape);
}

/** The failure of a run that no replica could compute: the first reason, since the others are most often the same. */
function summary(failures: ServerFailure[]): EngineError {
  if (failures.length === 1) return failures[0];
  const [{ code }] = failures;
  return new EngineError(code, failures.map(({ message }) => message).join('; '), { cause: failures[0] });
}
