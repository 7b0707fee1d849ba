import { EngineError } from '../errors';
import { quote } from '../util/quote';
import type { CfgType, FollowNewest, Scheduler, StreamOptions, WeightedSeed } from '../types';

/** Stream options with every default filled in. */
export type ResolvedOptions = Required<StreamOptions>;

const DEFAULTS: Omit<ResolvedOptions, 'mode' | 'width' | 'height' | 'tIndexList'> = {
  numInferenceSteps: 50,
  cfgType: 'self',
  guidanceScale: 1.2,
  delta: 1,
  doAddNoise: true,
  scheduler: 'lcm',
  eta: 0.3,
  useDenoisingBatch: true,
  frameBufferSize: 1,
  seed: 2,
  seeds: [],
  seedDrift: 0,
  motionNoise: 0,
  feedback: 0,
  feedbackZoom: 1,
  feedbackRotate: 0,
  feedbackX: 0,
  feedbackY: 0,
  latentFeedback: 0,
  weights: {},
  followNewest: 'prompt',
};

export const CFG_TYPES: readonly CfgType[] = ['none', 'full', 'self', 'initialize'];
export const SCHEDULERS: readonly Scheduler[] = ['lcm', 'tcd'];
export const FOLLOW_NEWEST: readonly FollowNewest[] = ['none', 'prompt', 'all'];

/** Numbers with bounds that say all about them. */
export const RANGES = {
  eta: [0, 1],
  seedDrift: [0, 90],
  motionNoise: [0, 1],
  feedback: [0, 1],
  feedbackZoom: [0.5, 2],
  feedbackRotate: [-180, 180],
  feedbackX: [-1, 1],
  feedbackY: [-1, 1],
  latentFeedback: [0, 1],
} as const satisfies { [Name in keyof StreamOptions]?: readonly [min: number, max: number] };

/** Bounds against typing errors that would exhaust the memory, not limits of the method. */
const MAX_SIDE = 8192;
const MAX_BUFFER = 64;
export const MAX_SEEDS = 8;

/**
 * Fills in the defaults and checks every value.
 *
 * @param vaeScaleFactor pixels per latent position of the model
 * @param adapters names of the engine's adapters, where they are known
 * @throws EBADPARAM with the first option that cannot work, what it got and what it may be
 */
export function resolveOptions(options: StreamOptions, vaeScaleFactor: number, adapters?: readonly string[]): ResolvedOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const o: ResolvedOptions = { ...DEFAULTS, ...(given as unknown as StreamOptions) } as ResolvedOptions;

  check(o.mode === 'img2img' || o.mode === 'txt2img', 'mode', o.mode, "'img2img' or 'txt2img'");
  for (const side of ['width', 'height'] as const) {
    const fits = isWhole(o[side], vaeScaleFactor, MAX_SIDE) && o[side] % vaeScaleFactor === 0;
    check(fits, side, o[side], `a multiple of ${vaeScaleFactor} from ${vaeScaleFactor} to ${MAX_SIDE}`);
  }
  check(isWhole(o.numInferenceSteps, 1, 1000), 'numInferenceSteps', o.numInferenceSteps, 'a whole number from 1');
  checkIndexList(o.tIndexList, o.numInferenceSteps);
  check(CFG_TYPES.includes(o.cfgType), 'cfgType', o.cfgType, `one of ${CFG_TYPES.join(', ')}`);
  check(SCHEDULERS.includes(o.scheduler), 'scheduler', o.scheduler, `one of ${SCHEDULERS.join(', ')}`);
  check(isFiniteNumber(o.guidanceScale), 'guidanceScale', o.guidanceScale, 'a finite number');
  check(isFiniteNumber(o.delta), 'delta', o.delta, 'a finite number');
  check(typeof o.doAddNoise === 'boolean', 'doAddNoise', o.doAddNoise, 'true or false');
  check(typeof o.useDenoisingBatch === 'boolean', 'useDenoisingBatch', o.useDenoisingBatch, 'true or false');
  check(isWhole(o.frameBufferSize, 1, MAX_BUFFER), 'frameBufferSize', o.frameBufferSize, `a whole number from 1 to ${MAX_BUFFER}`);
  check(isWhole(o.seed, -1, Number.MAX_SAFE_INTEGER), 'seed', o.seed, 'a whole number from 0, or -1 for another one every frame');
  checkSeeds(o.seeds);
  for (const [name, [min, max]] of Object.entries(RANGES)) {
    const value = o[name as keyof typeof RANGES];
    check(isWithin(value, min, max), name, value, `a number from ${min} to ${max}`);
  }
  checkWeights(o.weights, adapters);
  check(FOLLOW_NEWEST.includes(o.followNewest), 'followNewest', o.followNewest, `one of ${FOLLOW_NEWEST.join(', ')}`);
  return o;
}

function checkIndexList(list: unknown, numInferenceSteps: number): void {
  const ascending =
    Array.isArray(list) &&
    list.length > 0 &&
    list.length <= numInferenceSteps &&
    list.every((t, i) => isWhole(t, 0, numInferenceSteps - 1) && (i === 0 || t > list[i - 1]));
  check(ascending, 'tIndexList', list, `ascending whole numbers, each from 0 to ${numInferenceSteps - 1} (numInferenceSteps - 1)`);
}

function checkSeeds(seeds: unknown): void {
  const isSeed = (one: Partial<WeightedSeed> | null): boolean =>
    isWhole(one?.seed, 0, Number.MAX_SAFE_INTEGER) && isWithin(one?.weight, 0, Number.MAX_VALUE);
  check(
    Array.isArray(seeds) && seeds.length <= MAX_SEEDS && seeds.every(isSeed),
    'seeds',
    seeds,
    `up to ${MAX_SEEDS} of { seed, weight }: whole numbers from 0, weights from 0`,
  );
}

function checkWeights(weights: unknown, adapters: readonly string[] | undefined): void {
  const isRecord = typeof weights === 'object' && weights !== null && !Array.isArray(weights);
  check(isRecord, 'weights', weights, 'numbers by the names of adapters');
  for (const [name, value] of Object.entries(weights as object)) {
    check(isFiniteNumber(value), `the weight of ${quote(name)}`, value, 'a finite number');
    if (!adapters || adapters.includes(name)) continue;
    const there = adapters.length > 0 ? `there are ${adapters.join(', ')}` : 'this engine has none';
    throw new EngineError('EBADPARAM', `weights: no adapter is called ${quote(name)}; ${there}`);
  }
}

/** Options after a change: of the adapters' strengths those that it names, all else as a whole. */
export function changedOptions<O extends Partial<StreamOptions>>(options: O, change: Partial<StreamOptions>): O {
  const weights = change.weights && { weights: { ...options.weights, ...change.weights } };
  return { ...options, ...change, ...weights };
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isWithin(value: unknown, min: number, max: number): value is number {
  return isFiniteNumber(value) && value >= min && value <= max;
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return isWithin(value, min, max) && Number.isInteger(value);
}

function check(ok: boolean, name: string, got: unknown, wanted: string): asserts ok {
  if (ok) return;
  throw new EngineError('EBADPARAM', `${name} must be ${wanted}; got ${quote(got)}`);
}
