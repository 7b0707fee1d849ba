import { changedOptions, type ResolvedOptions } from '../diffusion/options';
import type { StreamSetup } from '../diffusion/setup';
import type { StreamOptions } from '../types';
import type { SetupCache } from './setup-cache';
import { type LiveChange, Overtaken } from './size-trials';

/** The settings of a running stream. What takes long to prepare is left to a newer update that says otherwise. */
export class LiveSettings {
  /** The setup of frames that bring no settings of their own. */
  setup: StreamSetup;
  /** What the stream was opened with. */
  private readonly first: StreamSetup;
  /** Updates that have been asked for and are not done, in their order. */
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

  /** For a frame: updates that come after this call overtake it. */
  change(): LiveChange {
    const before = new Set(this.updates);
    return { from: this.first, isOvertaken: () => [...this.updates].some((update) => !before.has(update)) };
  }

  /** An update has been asked for. @returns it, for {@link apply} in its turn and {@link end} after that */
  begin(params: Partial<StreamOptions>): Partial<StreamOptions> {
    const update = { ...params };
    this.updates.add(update);
    return update;
  }

  end(update: Partial<StreamOptions>): void {
    this.updates.delete(update);
  }

  /** @throws EBADPARAM, and the settings then stay as they were */
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

/** Whether a newer change of this option leaves nothing of an older one. */
function isWhole(name: string): boolean {
  return name !== 'weights';
}
