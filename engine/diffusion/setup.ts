import { LruCache } from '../util/lru-cache';
import type { EngineInfo } from '../types';
import type { ResolvedOptions } from './options';
import { denoisingSteps, type SchedulerConfig } from './schedule';
import type { LatentShape } from './latent';
import type { DenoiseConfig } from './step-plan';

/** What follows from the options of a frame: computed once, and shared by all frames with the same options. */
export interface StreamSetup {
  options: ResolvedOptions;
  shape: LatentShape;
  denoising: DenoiseConfig;
}

/** How many setups are kept, so that settings that alternate from frame to frame cost nothing. */
const SETUPS_KEPT = 16;

/** The setups of a stream, whose frames may each have settings of their own. */
export class Setups {
  private readonly setups = new LruCache<StreamSetup>(SETUPS_KEPT);

  constructor(
    private readonly info: EngineInfo,
    private readonly scheduler: SchedulerConfig,
  ) {}

  /** @throws EBADPARAM when the model's schedule is too short */
  get(options: ResolvedOptions): StreamSetup {
    return this.setups.getOrMake(JSON.stringify(options), () => this.make(options));
  }

  private make(options: ResolvedOptions): StreamSetup {
    const { vaeScaleFactor, predictionType } = this.info;
    const { cfgType, guidanceScale, delta, doAddNoise, tIndexList, numInferenceSteps, scheduler, weights } = options;
    const shape = { height: options.height / vaeScaleFactor, width: options.width / vaeScaleFactor };
    const steps = denoisingSteps(this.scheduler, numInferenceSteps, tIndexList, scheduler, doAddNoise ? options.eta : 0);
    return { options, shape, denoising: { cfgType, guidanceScale, delta, doAddNoise, steps, predictionType, weights } };
  }
}
