import { EngineError } from '../errors';
import { quote } from '../util/quote';
import { booleanSetting, checkSetting, choiceSetting, itemsIn, numberIn, numberSetting, type Setting } from '../util/setting';
import type { CfgType, FollowNewest, Scheduler, StreamOptions, WeightedSeed } from '../types';

/** Stream options with every default filled in. */
export type ResolvedOptions = Required<StreamOptions>;

/** Bounds against typing errors that would exhaust memory, not limits of the method. */
const MAX_SIDE = 8192;
const MAX_BUFFER = 64;
const MAX_SEEDS = 8;
const MAX_STEPS = 1000;
const MAX_WEIGHTS = 64;
const MAX_EVERY = 64;
const DEFAULT_STEPS = 50;

/** The options of a stream: the range of each by itself, and its default. */
export const SETTINGS = {
  mode: choiceSetting<StreamOptions['mode']>(undefined, ['img2img', 'txt2img']),
  width: numberSetting(undefined, { min: 1, max: MAX_SIDE, integer: true }),
  height: numberSetting(undefined, { min: 1, max: MAX_SIDE, integer: true }),
  numInferenceSteps: numberSetting(DEFAULT_STEPS, { min: 1, max: MAX_STEPS, integer: true }),
  tIndexList: indexListSetting(),
  cfgType: choiceSetting<CfgType>('self', ['none', 'full', 'self', 'initialize']),
  guidanceScale: numberSetting(1.2),
  delta: numberSetting(1),
  scheduler: choiceSetting<Scheduler>('lcm', ['lcm', 'tcd']),
  eta: numberSetting(0.3, { min: 0, max: 1 }),
  doAddNoise: booleanSetting(true),
  useDenoisingBatch: booleanSetting(true),
  frameBufferSize: numberSetting(1, { min: 1, max: MAX_BUFFER, integer: true }),
  seed: numberSetting(
    2,
    { min: -1, max: Number.MAX_SAFE_INTEGER, integer: true },
    'a whole number from 0, or -1 for another one every frame',
  ),
  seeds: seedsSetting(),
  seedDrift: numberSetting(0, { min: 0, max: 90 }),
  motionNoise: numberSetting(0, { min: 0, max: 1 }),
  feedback: numberSetting(0, { min: 0, max: 1 }),
  feedbackZoom: numberSetting(1, { min: 0.5, max: 2 }),
  feedbackRotate: numberSetting(0, { min: -180, max: 180 }),
  feedbackX: numberSetting(0, { min: -1, max: 1 }),
  feedbackY: numberSetting(0, { min: -1, max: 1 }),
  latentFeedback: numberSetting(0, { min: 0, max: 1 }),
  maskFeather: numberSetting(4, { min: 0, max: 64 }),
  weights: weightsSetting(),
  controlEvery: everySetting(),
  followNewest: choiceSetting<FollowNewest>('prompt', ['none', 'prompt', 'all']),
} satisfies { [Name in keyof ResolvedOptions]: Setting<ResolvedOptions[Name]> };

/**
 * Fills in the defaults and checks every value.
 *
 * @param vaeScaleFactor pixels per latent position of the model
 * @param adapters names of the engine's adapters, where they are known
 * @throws EBADPARAM for the first option that cannot work, with the value it got and the allowed ones
 */
export function resolveOptions(options: StreamOptions, vaeScaleFactor: number, adapters?: readonly string[]): ResolvedOptions {
  const resolved = { ...options } as ResolvedOptions;
  for (const [name, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const given = options[name as keyof StreamOptions];
    const value = given === undefined ? setting.default : given;
    checkSetting(setting, name, value);
    Object.assign(resolved, { [name]: value });
  }
  checkTogether(resolved, vaeScaleFactor, adapters);
  return resolved;
}

/**
 * Checks how options fit together that have each been checked alone.
 *
 * @param vaeScaleFactor, adapters as in {@link resolveOptions}
 * @throws EBADPARAM
 */
export function checkTogether(options: StreamOptions, vaeScaleFactor: number, adapters?: readonly string[]): void {
  const { tIndexList, numInferenceSteps = DEFAULT_STEPS, weights = {} } = options;
  for (const side of ['width', 'height'] as const) {
    const fits = options[side] % vaeScaleFactor === 0;
    check(fits, side, options[side], `a multiple of ${vaeScaleFactor} from ${vaeScaleFactor} to ${MAX_SIDE}`);
  }
  const last = numInferenceSteps - 1;
  check(tIndexList[tIndexList.length - 1] <= last, 'tIndexList', tIndexList, `numbers up to ${last} (numInferenceSteps - 1)`);
  checkNames(weights, adapters);
}

/** Options after a change. It replaces whole options, except that adapters' strengths that it does not name stay. */
export function changedOptions<O extends Partial<StreamOptions>>(options: O, change: Partial<StreamOptions>): O {
  const weights = change.weights && { weights: { ...options.weights, ...change.weights } };
  return { ...options, ...change, ...weights };
}

function checkNames(weights: Record<string, number>, adapters: readonly string[] | undefined): void {
  const unknown = adapters && Object.keys(weights).find((name) => !adapters.includes(name));
  if (unknown === undefined) return;
  const there = adapters && adapters.length > 0 ? `there are ${adapters.join(', ')}` : 'this engine has none';
  throw new EngineError('EBADPARAM', `weights: no adapter is called ${quote(unknown)}; ${there}`);
}

/** The list may also be a text such as `18, 34`. */
function indexListSetting(): Setting<number[]> {
  const index = numberSetting(undefined, { min: 0, max: MAX_STEPS - 1, integer: true });
  return {
    default: undefined,
    wanted: 'ascending whole numbers from 0, each below numInferenceSteps, such as [18, 34]',
    isValid: (value): value is number[] =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.length <= MAX_STEPS &&
      value.every((t, i) => index.isValid(t) && (i === 0 || t > value[i - 1])),
    parse(value) {
      const items = itemsIn(value) ?? value;
      return Array.isArray(items) && items.length <= MAX_STEPS ? items.map(numberIn) : items;
    },
  };
}

/** The list may also hold bare seeds, or be a text such as `7:1, 12:0.5`; a seed without a weight has 1. */
function seedsSetting(): Setting<WeightedSeed[]> {
  const isSeed = numberSetting(undefined, { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true }).isValid;
  const isWeight = numberSetting(undefined, { min: 0, max: Number.MAX_VALUE }).isValid;
  const seedIn = (item: unknown): unknown => {
    const [seed, weight = 1] = isRecord(item) ? [item.seed, item.weight] : typeof item === 'string' ? item.split(':', 2) : [item];
    return { seed: numberIn(seed), weight: numberIn(weight) };
  };
  return {
    default: [],
    wanted: `up to ${MAX_SEEDS} of { seed, weight }: whole numbers from 0, weights from 0`,
    isValid: (value): value is WeightedSeed[] =>
      Array.isArray(value) && value.length <= MAX_SEEDS && value.every((one) => isRecord(one) && isSeed(one.seed) && isWeight(one.weight)),
    parse(value) {
      const items = itemsIn(value) ?? value;
      return Array.isArray(items) && items.length <= MAX_SEEDS ? items.map(seedIn) : items;
    },
  };
}

/** The weights may also be a text such as `edges: 0.8, style: 1`. The engine says which names exist. */
function weightsSetting(): Setting<Record<string, number>> {
  const isWeight = numberSetting(undefined).isValid;
  const named = (item: string): [name: string, weight: string] => {
    const at = item.lastIndexOf(':');
    return [item.slice(0, Math.max(0, at)).trim(), item.slice(at + 1).trim()];
  };
  return {
    default: {},
    wanted: `finite numbers by the names of adapters, at most ${MAX_WEIGHTS}, such as {"edges": 0.8}`,
    isValid: (value): value is Record<string, number> => {
      const weights = isRecord(value) ? Object.values(value) : [NaN];
      return weights.length <= MAX_WEIGHTS && weights.every(isWeight);
    },
    parse(value) {
      const entries = itemsIn(value, /,/)?.map(named) ?? (isRecord(value) ? Object.entries(value) : undefined);
      return entries && entries.length <= MAX_WEIGHTS
        ? Object.fromEntries(entries.map(([name, weight]) => [name, numberIn(weight)]))
        : value;
    },
  };
}

/** The value may also be a text such as `2`, or `edges: 2, depth: 4`. */
function everySetting(): Setting<number | Record<string, number>> {
  const one = numberSetting(1, { min: 1, max: MAX_EVERY, integer: true });
  const byName = weightsSetting();
  return {
    default: 1,
    wanted: `a whole number from 1 to ${MAX_EVERY}, or such numbers by the names of adapters, such as {"edges": 2}`,
    isValid: (value): value is number | Record<string, number> =>
      one.isValid(value) || (byName.isValid(value) && Object.values(value).every(one.isValid)),
    parse(value) {
      const number = one.parse(value);
      return one.isValid(number) || typeof value === 'number' ? number : byName.parse(value);
    },
  };
}

/** An adapter's net computes one of this many frames. */
export function everyOf({ controlEvery }: Pick<ResolvedOptions, 'controlEvery'>, adapter: string): number {
  if (typeof controlEvery === 'number') return controlEvery;
  return Object.hasOwn(controlEvery, adapter) ? controlEvery[adapter] : 1;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function check(ok: boolean, name: string, got: unknown, wanted: string): asserts ok {
  if (!ok) throw new EngineError('EBADPARAM', `${name} must be ${wanted}; got ${quote(got)}`);
}
