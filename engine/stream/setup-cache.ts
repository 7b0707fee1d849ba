import type { Model } from '../model/model';
import type { LiveChange, SizeTrials } from './size-trials';
import { type ResolvedOptions, resolveOptions } from '../diffusion/options';
import { Setups, type StreamSetup } from '../diffusion/setup';
import type { StreamOptions } from '../types';

/** The setups of a stream that the model is known to work with. */
export class SetupCache {
  private readonly setups: Setups;

  constructor(
    private readonly model: Model,
    private readonly trials: SizeTrials,
  ) {
    this.setups = new Setups(model.info, model.schedulerConfig);
  }

  /** @throws EBADPARAM for options that cannot work, ENOMODEL when they need a net that the model lacks */
  check(options: StreamOptions): ResolvedOptions {
    const { vaeScaleFactor, adapters } = this.model.info;
    const names = adapters.map(({ name }) => name);
    const resolved = resolveOptions(options, vaeScaleFactor, names);
    if (resolved.mode === 'img2img') this.model.requireEncoder();
    return resolved;
  }

  /** The setup of options whose picture size is known to work. */
  get(options: ResolvedOptions): StreamSetup {
    return this.setups.get(options);
  }

  /**
   * The setup of any options, once they are known to work.
   *
   * @param change of a running stream
   * @throws EBADPARAM; Overtaken
   */
  async prepare(options: StreamOptions, change?: LiveChange): Promise<StreamSetup> {
    const setup = this.setups.get(this.check(options));
    await this.trials.ensure(setup, change);
    return setup;
  }
}
