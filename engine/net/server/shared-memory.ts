import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { bytesOf } from '../rows';
import { MEMORY_FOLDER, type MemoryFile, sweepMemoryFiles } from './memory-file';
import { MemoryRegions } from './memory-regions';
import { type InferAnswer, type InferRequest, type Place, ServerFailure, type Transport } from './transport';

/** The extension's name in a server's list. */
const EXTENSION = 'system_shared_memory';
/** Memory is switched off after this many failures with fewer than {@link SOUND} good runs in between. */
const MOST_FAILURES = 3;
const SOUND = 100;
/** Every tensor begins at a multiple of this, bytes: a cache line. */
const ALIGNMENT = 64;
/** The length of the seals at both ends of an output, bytes. */
const SEAL = 16;

let swept = false;

/**
 * Memory that a flow and its server share where both are on one machine: the tensors of a run pass through it, and only their
 * places are sent over the connection (the protocol's system shared memory extension).
 *
 * Every run has a region to itself, a {@link MemoryFile} that the server has mapped as a whole. Before the run, its outputs
 * are sealed with random bytes. Where the seals are broken afterwards, the server has written to this very file, so it has
 * also read its inputs there; where they are not, nothing of the answer is used.
 */
export class SharedMemory {
  /** The number of failures when a region was created. */
  private readonly ages = new WeakMap<MemoryFile, number>();
  private age = 0;
  private failures = 0;
  private goodRuns = 0;
  /** Why memory is not used; undefined where it is. */
  off: string | undefined = 'it was not tried yet';

  constructor(
    private readonly transport: Transport,
    private readonly regions = new MemoryRegions(transport),
  ) {}

  /** Tries a first region where memory is not in use yet. Does not reject: see {@link off}. */
  async prepare(deadlineMs: number): Promise<void> {
    if (this.off === undefined) return;
    try {
      this.off = await whyNot(this.transport, deadlineMs);
      if (this.off === undefined) await this.regions.prepare();
      this.failures = 0;
    } catch (thrown) {
      this.off = (thrown as Error).message;
    }
  }

  /**
   * A run whose tensors pass through memory.
   *
   * Rejects as {@link Transport.infer} does where the server is unreachable or slow.
   *
   * @param lengths of the outputs, bytes by name, as in an earlier run of these shapes
   * @returns undefined where this was not possible, so that the run must be sent
   */
  async infer(
    { model, inputs, outputs }: InferRequest,
    lengths: ReadonlyMap<string, number>,
    deadlineMs: number,
  ): Promise<InferAnswer | undefined> {
    const places = new Placing();
    const feeds = inputs.map((input) => ({ ...input, place: places.next(input.data.byteLength) }));
    const results = outputs
      .map(({ name }) => ({ name, place: places.next(lengths.get(name) ?? 0) }))
      .filter(({ place }) => place.length >= SEAL);
    const region = await this.regionOf(places.end);
    if (!region) return undefined;
    const seal = randomBytes(SEAL);
    const placed = <T extends { place: Span }>(tensors: T[]): (T & { place: Place })[] =>
      tensors.map((tensor) => ({ ...tensor, place: { ...tensor.place, region: region.name } }));
    try {
      for (const { data, place } of feeds) region.write(bytesOf(data), place.offset);
      for (const { place } of results) for (const offset of endsOf(place)) region.write(seal, offset);
      const wanted = new Map(placed(results).map((result) => [result.name, result]));
      const answer = await this.transport.infer(
        { model, inputs: placed(feeds), outputs: outputs.map((output) => wanted.get(output.name) ?? output) },
        deadlineMs,
      );
      for (const { name, place } of results) {
        const output = answer.outputs.get(name);
        if (!output || output.bytes) continue;
        if (endsOf(place).some((offset) => seal.equals(region.read(offset, SEAL))))
          return this.failed(region, 'the server does not write to the memory of this machine');
        output.bytes = region.read(place.offset, place.length);
      }
      if (++this.goodRuns >= SOUND) this.failures = 0;
      this.regions.giveBack(region);
      return answer;
    } catch (thrown) {
      if (thrown instanceof ServerFailure && !thrown.isRefusal) {
        this.regions.abandon(region);
        throw thrown;
      }
      return this.failed(region, (thrown as Error).message);
    }
  }

  /** Makes the server unmap everything. No run may be under way. */
  async close(): Promise<void> {
    this.off = 'it was closed';
    await this.regions.close();
  }

  private async regionOf(bytes: number): Promise<MemoryFile | undefined> {
    if (this.off !== undefined) return undefined;
    try {
      const region = await this.regions.take(bytes);
      if (region && !this.ages.has(region)) this.ages.set(region, this.age);
      return region;
    } catch (thrown) {
      this.off = (thrown as Error).message;
      return undefined;
    }
  }

  /** Counts failures. A server that was restarted has forgotten all regions: the runs that fail on old ones count as one failure. */
  private failed(region: MemoryFile, reason: string): undefined {
    if (this.ages.get(region) === this.age) {
      this.age++;
      this.goodRuns = 0;
      if (++this.failures >= MOST_FAILURES) this.off = reason;
    }
    void this.regions.drop(region);
    void this.regions.dropIdle();
  }
}

/** Whether an address belongs to this machine. There may still be a container behind it, which the seals reveal. */
export function isThisMachine(host: string): boolean {
  if (host === 'localhost' || host === '::1' || host.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));
}

async function whyNot(transport: Transport, deadlineMs: number): Promise<string | undefined> {
  if (process.platform !== 'linux' || !existsSync(MEMORY_FOLDER)) return `this machine has no ${MEMORY_FOLDER}`;
  if (!swept) sweepMemoryFiles();
  swept = true;
  const extensions = await transport.extensions(deadlineMs);
  return extensions.includes(EXTENSION) ? undefined : `the server does not have the extension ${EXTENSION}`;
}

/** A part of a region, bytes. */
type Span = Omit<Place, 'region'>;

/** Places tensors one after the other in a region. */
class Placing {
  end = 0;

  next(length: number): Span {
    const offset = Math.ceil(this.end / ALIGNMENT) * ALIGNMENT;
    this.end = offset + length;
    return { offset, length };
  }
}

function endsOf({ offset, length }: Span): number[] {
  return [offset, offset + length - SEAL];
}
