import type { Adapter } from '../model/adapters/adapter';
import { everyOf, type ResolvedOptions } from '../diffusion/options';

/** What adapters have made of a frame's pictures, for the frames behind it that are not computed by their nets. */
export class SharedPictures {
  private readonly byAdapter = new Map<string, { prepared: unknown; width: number; height: number; used: number }>();

  /**
   * What the next frame gets: an earlier frame's as long as fewer than `controlEvery` frames were rendered from it and the size is the
   * same, otherwise its own.
   *
   * @param prepare makes the frame's own, from which so many frames may be rendered
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

  /** The next frame with a picture gets its own. */
  forget(adapter: string): void {
    this.byAdapter.delete(adapter);
  }

  restart(): void {
    this.byAdapter.clear();
  }
}
