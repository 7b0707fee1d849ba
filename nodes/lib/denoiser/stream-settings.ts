import { EngineError } from '../../../engine/errors';
import type { LiveParams, PictureFormat, StreamSettings } from '../../../engine/host/protocol/messages';
import { CFG_TYPES, FOLLOW_NEWEST, MAX_SEEDS, RANGES, resolveOptions, SCHEDULERS } from '../../../engine/diffusion/options';
import { strengthOf, tIndexListOf } from '../../../engine/diffusion/strength';
import type { EngineInfo, WeightedSeed } from '../../../engine/types';
import { quote } from '../../../engine/util/quote';
import { isEmpty, readBoolean, readChoice, readNumber } from '../common/fields';

type Readers = { [Name in keyof Required<StreamSettings>]: (value: unknown) => StreamSettings[Name] };

/** As many as a schedule has steps. */
const MOST_INDICES = 1000;
const MOST_LETTERS = 10_000;
const MOST_WEIGHTS = 64;

/** Turns each setting into its type; dialogs and dashboards send numbers as texts. */
const READERS: Readers = {
  mode: (value) => readChoice(value, 'mode', ['img2img', 'txt2img']),
  width: (value) => readNumber(value, 'width', { min: 1, integer: true }),
  height: (value) => readNumber(value, 'height', { min: 1, integer: true }),
  numInferenceSteps: (value) => readNumber(value, 'numInferenceSteps', { min: 1, max: 1000, integer: true }),
  tIndexList: readIndexList,
  cfgType: (value) => readChoice(value, 'cfgType', CFG_TYPES),
  guidanceScale: (value) => readNumber(value, 'guidanceScale'),
  delta: (value) => readNumber(value, 'delta'),
  scheduler: (value) => readChoice(value, 'scheduler', SCHEDULERS),
  doAddNoise: (value) => readBoolean(value, 'doAddNoise'),
  useDenoisingBatch: (value) => readBoolean(value, 'useDenoisingBatch'),
  frameBufferSize: (value) => readNumber(value, 'frameBufferSize', { min: 1, integer: true }),
  seed: (value) => readNumber(value, 'seed', { min: -1, integer: true }),
  seeds: readSeeds,
  ...readersOf(RANGES),
  weights: readWeights,
  followNewest: (value) => readChoice(value, 'followNewest', FOLLOW_NEWEST),
  format: (value) => readChoice<PictureFormat>(value, 'format', ['jpeg', 'png', 'raw']),
  quality: (value) => readNumber(value, 'quality', { min: 1, max: 100, integer: true }),
};

/** Readers of numbers between bounds. */
function readersOf<Name extends string>(ranges: Record<Name, readonly [number, number]>): Record<Name, (value: unknown) => number> {
  const readers = Object.entries<readonly [number, number]>(ranges).map(([name, [min, max]]) => [
    name,
    (value: unknown) => readNumber(value, name, { min, max }),
  ]);
  return Object.fromEntries(readers) as Record<Name, (value: unknown) => number>;
}

const NAMES = Object.keys(READERS) as (keyof StreamSettings)[];

/**
 * Reads `msg.params`: any setting of a stream by its name, and `strength` (0..1) with `steps` as the friendlier way to
 * say `tIndexList`. What is missing of strength and steps stays as it is in `current`.
 *
 * @param engine what is known of it by now: the step in which width and height grow, and its adapters
 * @throws EBADPARAM with the first value that cannot work, or a name that is none
 */
export function readParams(params: unknown, current: StreamSettings, engine: Partial<EngineInfo> = {}): LiveParams {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    throw new EngineError('EBADPARAM', `msg.params must be an object such as {"strength": 0.5}, not ${quote(params)}`);
  }
  const live: LiveParams = {};
  for (const name in params) {
    const value = (params as Record<string, unknown>)[name];
    if (!Object.hasOwn(params, name)) continue;
    if (isSetting(name)) Object.assign(live, { [name]: READERS[name](value) });
    else if (name !== 'strength' && name !== 'steps') {
      throw new EngineError('EBADPARAM', `msg.params has no ${quote(name)}; it may have strength, steps, ${NAMES.join(', ')}`);
    }
  }
  Object.assign(live, stepsFromStrength(params, live, current));
  // What was wrong before is not the fault of a message about something else.
  const factor = live.width === undefined && live.height === undefined ? 1 : (engine.vaeScaleFactor ?? 1);
  const adapters = live.weights && engine.adapters?.map(({ name }) => name);
  checkTogether({ ...current, ...live }, factor, adapters);
  // Those that are not named keep theirs.
  return live.weights ? { ...live, weights: { ...current.weights, ...live.weights } } : live;
}

function stepsFromStrength(params: { strength?: unknown; steps?: unknown }, live: LiveParams, current: StreamSettings): LiveParams {
  if (params.strength === undefined && params.steps === undefined) return {};
  if (live.tIndexList !== undefined) {
    throw new EngineError('EBADPARAM', 'msg.params has a tIndexList and a strength or steps; they say the same thing, send only one');
  }
  const before = current.numInferenceSteps ?? 50;
  const strength =
    params.strength === undefined ? strengthOf(current.tIndexList, before) : readNumber(params.strength, 'strength', { min: 0, max: 1 });
  const steps = params.steps === undefined ? current.tIndexList.length : readNumber(params.steps, 'steps', { min: 1, integer: true });
  return { tIndexList: tIndexListOf(strength, steps, live.numInferenceSteps ?? before) };
}

/**
 * What can be known here; the model checks again.
 * @throws EBADPARAM
 */
function checkTogether(
  { format: _format, quality: _quality, ...options }: StreamSettings,
  vaeScaleFactor: number,
  adapters: string[] | undefined,
): void {
  resolveOptions(options, vaeScaleFactor, adapters);
}

/** The settings in the denoiser's dialog: strings of input fields, and nothing at all for fields newer than the flow. */
export type DenoiserFields = { [Name in keyof StreamSettings | 'strength' | 'steps']?: unknown } & { stepsBy?: unknown };

/** `followNewest` differs from the library's, which is the reference's: in a flow settings come with frames, and hold for those they came with. */
const DEFAULTS: StreamSettings = {
  mode: 'img2img',
  width: 256,
  height: 256,
  numInferenceSteps: 50,
  tIndexList: tIndexListOf(0.5, 2, 50),
  followNewest: 'none',
};

/**
 * Reads the denoiser's dialog.
 * @throws EBADPARAM
 */
export function readDialog({ stepsBy, ...fields }: DenoiserFields): StreamSettings {
  const byList = stepsBy === 'list';
  const names = [...NAMES, 'strength', 'steps'] as const;
  const unused = byList ? ['strength', 'steps'] : ['tIndexList'];
  const filled = names.filter((name) => !isEmpty(fields[name]) && !unused.includes(name));
  return { ...DEFAULTS, ...readParams(Object.fromEntries(filled.map((name) => [name, fields[name]])), DEFAULTS) };
}

function isSetting(name: string): name is keyof StreamSettings {
  return Object.hasOwn(READERS, name);
}

function readIndexList(value: unknown): number[] {
  const items = readList(value, 'tIndexList', MOST_INDICES);
  if (!items || items.length === 0) {
    throw new EngineError('EBADPARAM', `tIndexList must be a list of step numbers such as [18, 34], not ${quote(value)}`);
  }
  return items.map((item) => readNumber(item, 'each number in tIndexList', { min: 0, integer: true }));
}

/** A list, also as a text with spaces or commas; undefined for anything else. Its length is looked at before what is in it. */
function readList(value: unknown, name: string, most: number, between = /[\s,]+/): unknown[] | undefined {
  if (typeof value === 'string' && value.length > MOST_LETTERS)
    throw new EngineError('EBADPARAM', `${name} may have ${MOST_LETTERS} letters as a text, not ${value.length}`);
  const items: unknown = typeof value === 'string' ? value.split(between).filter((item) => item.trim() !== '') : value;
  if (!Array.isArray(items)) return undefined;
  if (items.length > most) throw new EngineError('EBADPARAM', `${name} may have ${most} entries, not ${items.length}`);
  return items;
}

/** Numbers by name, or a text such as `edges: 0.8, style: 1`. Which names there are the engine says. */
function readWeights(value: unknown): Record<string, number> {
  const entries = typeof value === 'string' ? readList(value, 'weights', MOST_WEIGHTS, /,/)?.map(byLastColon) : entriesOf(value);
  if (!entries)
    throw new EngineError('EBADPARAM', `weights must be numbers by the names of adapters, such as {"edges": 0.8}, not ${quote(value)}`);
  if (entries.length > MOST_WEIGHTS) throw new EngineError('EBADPARAM', `weights may have ${MOST_WEIGHTS} names, not ${entries.length}`);
  return Object.fromEntries(entries.map(([name, weight]) => [name, readNumber(weight, `the weight of ${quote(name)}`)]));
}

function byLastColon(item: unknown): [name: string, weight: string] {
  const text = String(item);
  const at = text.lastIndexOf(':');
  return [text.slice(0, Math.max(0, at)).trim(), text.slice(at + 1).trim()];
}

function entriesOf(value: unknown): [name: string, value: unknown][] | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined;
}

/** A list of { seed, weight }, of seeds alone, or a text such as `7:1, 12:0.5`. */
function readSeeds(value: unknown): WeightedSeed[] {
  const items = readList(value, 'seeds', MAX_SEEDS);
  if (!items) throw new EngineError('EBADPARAM', `seeds must be a list such as [{"seed": 7, "weight": 0.5}], not ${quote(value)}`);
  return items.map((item: unknown) => {
    const [seed, weight = 1] =
      typeof item === 'object' && item !== null
        ? [Reflect.get(item, 'seed'), Reflect.get(item, 'weight')]
        : typeof item === 'string'
          ? item.split(':', 2)
          : [item];
    return {
      seed: readNumber(seed, 'each seed in seeds', { min: 0, integer: true }),
      weight: readNumber(weight, 'each weight in seeds', { min: 0 }),
    };
  });
}
