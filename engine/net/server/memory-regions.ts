import { isOrphan, MemoryFile } from './memory-file';
import { ServerFailure, type Transport } from './transport';

const SMALLEST = 2 ** 16;
/** The largest region, bytes; larger runs are sent over the connection. */
const LARGEST = 2 ** 26;
/** The most regions of one net on one server. */
const MOST = 16;
const MOST_BYTES = 2 ** 28;
/** The most orphaned regions of killed processes that are unmapped at once. */
const MOST_ORPHANS = 256;
/** After this time, a run that its flow has given up is no longer under way, ms. */
const LEAVE_ALONE = 60_000;
/** The longest wait for the server to map or unmap a region, ms: a frame waits for it. */
const DEADLINE = 1000;

/**
 * Regions of shared memory that a server has mapped, each for one run at a time. They are created when they are needed, used
 * again, and limited in number and size. Their files lose their names as soon as the server has mapped them, so that a killed
 * process leaves none behind; the regions that the server had mapped for it are unmapped when another flow comes.
 */
export class MemoryRegions {
  private readonly idle: MemoryFile[] = [];
  private readonly all = new Set<MemoryFile>();
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(
    private readonly transport: Transport,
    private readonly leaveAloneMs = LEAVE_ALONE,
  ) {}

  /** Maps a first region, to see whether the server can. Rejects with the reason where it cannot. */
  async prepare(): Promise<void> {
    if (this.idle.length === 0) this.idle.push(await this.register(SMALLEST));
    this.later(() => this.sweep());
  }

  /**
   * A free region of at least `bytes`. Rejects with the reason where the server refuses to map one.
   *
   * @returns undefined where no region is available now
   */
  async take(bytes: number): Promise<MemoryFile | undefined> {
    if (bytes > LARGEST) return undefined;
    const fitting = this.bySize().find(({ length }) => length >= bytes);
    if (fitting) {
      this.idle.splice(this.idle.indexOf(fitting), 1);
      return fitting;
    }
    // Lengths are powers of two, so that a growing batch needs few regions.
    const length = Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(bytes)));
    while (!this.hasRoom(length)) {
      const smallest = this.bySize().shift();
      if (!smallest) return undefined;
      this.idle.splice(this.idle.indexOf(smallest), 1);
      await this.drop(smallest);
    }
    try {
      return await this.register(length);
    } catch (thrown) {
      // An unreachable server is noticed by the run that is sent instead.
      if (thrown instanceof ServerFailure && !thrown.isRefusal) return undefined;
      throw thrown;
    }
  }

  giveBack(region: MemoryFile): void {
    this.idle.push(region);
  }

  /** Gives up a region whose run nobody waits for any more. The server may still use it, so it is unmapped later. */
  abandon(region: MemoryFile): void {
    this.later(() => this.drop(region));
  }

  async drop(region: MemoryFile): Promise<void> {
    await this.unregister(region.name);
    this.forget(region);
  }

  async dropIdle(): Promise<void> {
    await Promise.all(this.idle.splice(0).map((region) => this.drop(region)));
  }

  /** No run may be under way. Abandoned regions are unmapped when another flow comes. */
  async close(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    await this.dropIdle();
    for (const region of this.all) this.forget(region);
  }

  private bySize(): MemoryFile[] {
    return [...this.idle].sort((a, b) => a.length - b.length);
  }

  private hasRoom(length: number): boolean {
    return this.all.size < MOST && [...this.all].reduce((sum, one) => sum + one.length, length) <= MOST_BYTES;
  }

  private async register(length: number): Promise<MemoryFile> {
    const region = MemoryFile.create(length);
    this.all.add(region);
    try {
      await this.transport.registerMemory(region.name, length, DEADLINE);
      return region;
    } catch (thrown) {
      this.forget(region);
      throw thrown;
    } finally {
      region.unlink();
    }
  }

  private forget(region: MemoryFile): void {
    if (this.all.delete(region)) region.close();
  }

  /** Unmaps the regions that killed processes have left on the server. */
  private async sweep(): Promise<void> {
    const names = await this.transport.memoryRegions(DEADLINE).catch(() => []);
    await Promise.all(
      names
        .filter(isOrphan)
        .slice(0, MOST_ORPHANS)
        .map((name) => this.unregister(name)),
    );
  }

  private async unregister(name: string): Promise<void> {
    await this.transport.unregisterMemory(name, DEADLINE).catch(() => undefined);
  }

  /** Does something once no abandoned run, of this process or of a killed one, can be under way any more. */
  private later(work: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      void work();
    }, this.leaveAloneMs).unref();
    this.timers.add(timer);
  }
}
