import type { Adapter } from '../model/adapters/adapter';
import { everyOf, type ResolvedOptions } from '../diffusion/options';

/** Pictures that adapters prepared for one frame, shared with the frames after it that their nets do not compute. */
export class SharedPictures {
  private readonly byAdapter = new Map<string, { prepared: unknown; width: number; height: number; used: number }>();

  /**
   * The prepared picture of the next frame: an earlier frame's while fewer than `controlEvery` frames were rendered from it and
   * the size is the same, otherwise its own.
   *
   * @param prepare prepares the frame's own picture, from which this many frames may be rendered
   */
  async of({ name, isAlwaysComputed }: Adapter, options: ResolvedOptions, prepare: (frames: number) => Promise<unknown>): Promise<unknown> {
    const { width, height } = options;
    const every = isAlwaysComputed ? 1 : everyOf(options, name);
    const kept = this.byAdapter.get(name);
    if (kept && kept.used < every && kept.width === width && kept.height === height) {
      kept.used++;
      return kept.prepared;
    }
    this.forget(name);
    const prepared = await prepare(every);
    if (every > 1) this.byAdapter.set(name, { prepared, width, height, used: 1 });
    return prepared;
  }

  /** Makes the next frame with a picture use its own. */
  forget(adapter: string): void {
    this.byAdapter.delete(adapter);
  }

  restart(): void {
    this.byAdapter.clear();
  }
}
