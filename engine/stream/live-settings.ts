import { changedOptions, type ResolvedOptions } from '../diffusion/options';
import type { StreamSetup } from '../diffusion/setup';
import type { StreamOptions } from '../types';
import type { SetupCache } from './setup-cache';
import { type LiveChange, Overtaken } from './size-trials';

/** The settings of a running stream. A change that takes long to prepare is skipped if a newer update sets the same option. */
export class LiveSettings {
  /** The setup of frames without settings of their own. */
  setup: StreamSetup;
  /** The setup that the stream was opened with. */
  private readonly first: StreamSetup;
  /** Pending updates, oldest first. */
  private readonly updates = new Set<Partial<StreamOptions>>();

  /** @throws EBADPARAM for options that cannot work, ENOMODEL when they need a net that the model lacks */
  constructor(
    private readonly setups: SetupCache,
    options: StreamOptions,
  ) {
    this.setup = setups.get(setups.check(options));
    this.first = this.setup;
  }

  get options(): ResolvedOptions {
    return this.setup.options;
  }

  /** The change for a frame: updates after this call overtake it. */
  change(): LiveChange {
    const before = new Set(this.updates);
    return { from: this.first, isOvertaken: () => [...this.updates].some((update) => !before.has(update)) };
  }

  /** Registers an update. @returns it, for {@link apply} in its turn and {@link end} afterwards */
  begin(params: Partial<StreamOptions>): Partial<StreamOptions> {
    const update = { ...params };
    this.updates.add(update);
    return update;
  }

  end(update: Partial<StreamOptions>): void {
    this.updates.delete(update);
  }

  /** Applies an update. @throws EBADPARAM, and then keeps the settings */
  async apply(update: Partial<StreamOptions>): Promise<StreamSetup> {
    const left = (): Partial<StreamOptions> => {
      const newer = [...this.updates].slice([...this.updates].indexOf(update) + 1);
      return Object.fromEntries(Object.entries(update).filter(([name]) => !isWhole(name) || !newer.some((later) => name in later)));
    };
    for (let wanted = update; ; wanted = left()) {
      const isOvertaken = (): boolean => Object.keys(left()).length < Object.keys(wanted).length;
      try {
        this.setup = await this.setups.prepare(changedOptions(this.options, wanted), { from: this.first, isOvertaken });
        return this.setup;
      } catch (thrown) {
        if (!(thrown instanceof Overtaken)) throw thrown;
      }
    }
  }
}

/** Whether a newer change of this option replaces an older one as a whole. */
function isWhole(name: string): boolean {
  return name !== 'weights';
}
