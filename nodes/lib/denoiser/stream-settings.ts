import { EngineError } from '../../../engine/errors';
import type { LiveParams, PictureFormat, StreamSettings } from '../../../engine/host/protocol/messages';
import { CFG_TYPES, FOLLOW_NEWEST, MAX_SEEDS, RANGES, resolveOptions, SCHEDULERS } from '../../../engine/diffusion/options';
import { strengthOf, tIndexListOf } from '../../../engine/diffusion/strength';
import type { WeightedSeed } from '../../../engine/types';
import { quote } from '../../../engine/util/quote';
import { isEmpty, readBoolean, readChoice, readNumber } from '../common/fields';

type Readers = { [Name in keyof Required<StreamSettings>]: (value: unknown) => StreamSettings[Name] };

/** As many as a schedule has steps. */
const MOST_INDICES = 1000;
const MOST_LETTERS = 10_000;

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
 * @param vaeScaleFactor of the model, where that is known: the step in which width and height grow
 * @throws EBADPARAM with the first value that cannot work, or a name that is none
 */
export function readParams(params: unknown, current: StreamSettings, vaeScaleFactor = 1): LiveParams {
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
  const factor = live.width === undefined && live.height === undefined ? 1 : vaeScaleFactor;
  checkTogether({ ...current, ...live }, factor);
  return live;
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
function checkTogether({ format: _format, quality: _quality, ...options }: StreamSettings, vaeScaleFactor: number): void {
  resolveOptions(options, vaeScaleFactor);
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
function readList(value: unknown, name: string, most: number): unknown[] | undefined {
  if (typeof value === 'string' && value.length > MOST_LETTERS)
    throw new EngineError('EBADPARAM', `${name} may have ${MOST_LETTERS} letters as a text, not ${value.length}`);
  const items: unknown = typeof value === 'string' ? value.split(/[\s,]+/).filter((item) => item !== '') : value;
  if (!Array.isArray(items)) return undefined;
  if (items.length > most) throw new EngineError('EBADPARAM', `${name} may have ${most} entries, not ${items.length}`);
  return items;
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
