import type { EngineInfo } from '../types';
import { randn } from './noise';
import type { ResolvedOptions } from './options';
import { denoisingSteps, type SchedulerConfig } from './schedule';
import type { Denoising, LatentShape } from './stream-batch';

/** What follows from a stream's options: computed once, shared by all frames that enter under them. */
export interface StreamSetup {
  options: ResolvedOptions;
  shape: LatentShape;
  denoising: Denoising;
  /** n·F rows of [C, h, w], step by step: frame j of a buffer uses row i·F + j at step i. */
  noise: readonly Float32Array[];
}

/** @param previous keeps its noise where seed and shapes are the same */
export function setUp(options: ResolvedOptions, info: EngineInfo, scheduler: SchedulerConfig, previous?: StreamSetup): StreamSetup {
  const { cfgType, guidanceScale, delta, doAddNoise, tIndexList, numInferenceSteps } = options;
  const shape = { height: options.height / info.vaeScaleFactor, width: options.width / info.vaeScaleFactor };
  const steps = denoisingSteps(scheduler, numInferenceSteps, tIndexList);
  return {
    options,
    shape,
    denoising: { cfgType, guidanceScale, delta, doAddNoise, steps, predictionType: info.predictionType },
    noise: previous && sameNoise(previous.options, options) ? previous.noise : drawNoise(options, info.latentChannels, shape),
  };
}

function sameNoise(a: ResolvedOptions, b: ResolvedOptions): boolean {
  const drawn = (o: ResolvedOptions) => [o.seed, o.tIndexList.length, o.frameBufferSize, o.height, o.width].join();
  return drawn(a) === drawn(b);
}

function drawNoise(options: ResolvedOptions, channels: number, { height, width }: LatentShape): Float32Array[] {
  const rows = options.tIndexList.length * options.frameBufferSize;
  const all = randn([rows, channels, height, width], options.seed);
  const size = channels * height * width;
  return Array.from({ length: rows }, (_, row) => all.subarray(row * size, (row + 1) * size));
}
