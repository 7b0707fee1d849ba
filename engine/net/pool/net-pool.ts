import type { LocalNet, Net, Pixels, PixelTensor, Tensor } from '../net';
import { type NetSource, NetThread } from './net-thread';
import type { SessionSettings } from '../ort/onnx-net';
import type { FollowUp, Place, PlacedNet } from './place';

/** The members of a pool that hold a copy of a net. */
export type Members = readonly number[];

interface Task {
  members: Members;
  begin: (member: number) => Promise<unknown>;
}

/** A net is divided when it takes this many times as long as all others together. */
const DIVIDES_FROM = 1.25;
/** The weight that earlier measurements keep with every further run of a net that can be divided. */
const MEMORY = 0.8;

/**
 * Threads that share the work of an engine's nets. Each runs one net at a time; a net that several of them hold is run by
 * the first that is free, so that no core is idle while there is something to compute.
 */
export class NetPool {
  private readonly threads: NetThread[] = [];
  private readonly busy = new Set<number>();
  /** Runs that wait for a member, oldest first. */
  private readonly waiting: Task[] = [];
  /** Callers that wait until a member is idle, oldest first. */
  private readonly idlers: { members: Members; grant: () => void }[] = [];
  /** Nets whose next run is about to follow, with the members that it needs. */
  private readonly expected = new Map<object, Members>();
  /** The computing time of all nets together, ms. */
  private worked = 0;

  /** @param size the number of members, which are numbered from 0 */
  constructor(readonly size: number) {
    for (let member = 0; member < size; member++) this.threads.push(new NetThread());
  }

  /** Opens a net in each of these members; rejects as OnnxNet.load does, and holds no copy then. */
  async load(members: Members, source: NetSource, settings: SessionSettings, name?: string): Promise<LocalNet> {
    const loading = await Promise.allSettled(members.map((member) => this.threads[member].load(source, settings, name)));
    const copies = loading.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const failed = loading.find((each) => each.status === 'rejected');
    if (!failed) return new PooledNet(this, members, copies);
    await Promise.all(copies.map((copy) => copy.close()));
    throw failed.reason;
  }

  /** Does `work` on the first of these members that is free. */
  perform<T>(members: Members, work: (member: number) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const begin = (member: number): Promise<void> => work(member).then(resolve, reject);
      this.waiting.push({ members, begin });
      this.assign();
    });
  }

  /** Resolves when one of these members has nothing to do, and no follow-up is expected that would need it. */
  whenFree(members: Members): Promise<void> {
    return new Promise((grant) => {
      this.idlers.push({ members, grant });
      this.grantSoon();
    });
  }

  /** Announces that the net's next run is about to come, until {@link followed}. */
  expect(net: object, members: Members): void {
    this.expected.set(net, members);
  }

  /** Withdraws {@link expect}: the net's run was requested, or will not come. */
  followed(net: object): void {
    if (this.expected.delete(net)) this.grantSoon();
  }

  /** Counts computing time, ms. */
  count(ms: number): void {
    this.worked += ms;
  }

  /** The computing time of all nets until now, ms. */
  get workedMs(): number {
    return this.worked;
  }

  /** Ends the threads once their runs have ended. */
  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.close()));
  }

  private assign(): void {
    for (let k = 0; k < this.waiting.length; k++) {
      const { members, begin } = this.waiting[k];
      const member = members.find((each) => !this.busy.has(each));
      if (member === undefined) continue;
      this.waiting.splice(k--, 1);
      this.busy.add(member);
      void begin(member).finally(() => {
        this.busy.delete(member);
        this.assign();
        this.grantSoon();
      });
    }
  }

  /** Grants in the next turn of the event loop: until then, those who waited for the run that has just ended can announce another. */
  private grantSoon(): void {
    if (this.idlers.length > 0) setImmediate(() => this.grant());
  }

  private grant(): void {
    const next = this.idlers.findIndex(({ members }) => {
      const expected = [...this.expected.values()].filter((others) => others.some((each) => members.includes(each)));
      return members.filter((each) => !this.busy.has(each)).length > expected.length;
    });
    if (next !== -1) this.idlers.splice(next, 1)[0].grant();
  }
}

/** A net that some members of a pool hold a copy of. */
class PooledNet implements LocalNet, PlacedNet, Place {
  readonly inputs: Net['inputs'];
  readonly outputs: Net['outputs'];
  readonly place = this;
  readonly instances = 1;
  readonly compilesShapes = false;
  /** The computing time of this net, and of all nets, at the last run that could be divided, ms. */
  private seen = { own: 0, all: 0 };
  private own = 0;
  /** The recent computing time of this net and of all others, ms. */
  private late = { own: 0, others: 0 };

  constructor(
    private readonly pool: NetPool,
    private readonly members: Members,
    private readonly copies: readonly LocalNet[],
  ) {
    [{ inputs: this.inputs, outputs: this.outputs }] = copies;
  }

  get concurrency(): number {
    return this.pool.size;
  }

  run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
    return this.onFree((copy) => copy.run(feeds));
  }

  runPixels(feeds: Record<string, Tensor | PixelTensor>, pixels: Pixels): Promise<Record<string, Tensor | PixelTensor>> {
    return this.onFree((copy) => copy.runPixels(feeds, pixels));
  }

  private onFree<T>(run: (copy: LocalNet) => Promise<T>): Promise<T> {
    this.pool.followed(this);
    return this.pool.perform(this.members, async (member) => {
      const started = performance.now();
      const outputs = await run(this.copies[this.members.indexOf(member)]);
      const ms = performance.now() - started;
      this.own += ms;
      this.pool.count(ms);
      return outputs;
    });
  }

  whenFree(): Promise<void> {
    return this.pool.whenFree(this.members);
  }

  expectFollowUp(): FollowUp {
    this.pool.expect(this, this.members);
    return { release: () => this.pool.followed(this) };
  }

  /**
   * A divided run costs a little more in total and ends earlier. That pays where this net takes more time than all others
   * together, because members would be idle while it runs. Otherwise they are busy with the other nets.
   */
  parts(): number {
    const all = this.pool.workedMs;
    const own = this.own - this.seen.own;
    const others = all - this.seen.all - own;
    this.seen = { own: this.own, all };
    this.late = { own: MEMORY * this.late.own + own, others: MEMORY * this.late.others + others };
    return this.late.own > DIVIDES_FROM * this.late.others ? this.members.length : 1;
  }

  async close(): Promise<void> {
    await Promise.all(this.copies.map((copy) => copy.close()));
  }
}
