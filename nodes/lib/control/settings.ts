import { EngineError } from '../../../engine/errors';
import { CONTROL_MAPS, type ControlMapKind, type ControlMapSettings, USUAL_SETTINGS } from '../../../engine/image/control/maps';
import { quote } from '../../../engine/util/quote';
import type { NumberRange } from '../../../engine/util/setting';
import { isEmpty, readNumber, readOptionalBoolean, readOptionalChoice, readOptionalNumber } from '../common/fields';

/** The dialog of a control map. Dialogs save texts; an empty field is the kind's usual value. */
export interface ControlFields {
  kind?: string;
  picture?: string;
  result?: string;
  size?: string | number;
  invert?: boolean | string;
  radius?: string | number;
  threshold?: string | number;
  low?: string | number;
  high?: string | number;
  grow?: string | number;
  trail?: string | number;
  learnSeconds?: string | number;
}

export interface ControlSettings {
  /** The name of the map in `msg.pictures`. */
  picture: string;
  /** Whether the map takes the place of the picture, instead of lying beside it. */
  replaces: boolean;
  /** Of its shorter side, pixels. */
  size: number;
  map: ControlMapSettings;
  /** How long the room is looked at until it is known, ms. */
  learnMs: number;
}

/** The numbers that can also be turned while frames come. */
export const RANGES = {
  radius: { min: 0, max: 100 },
  threshold: { min: 0, max: 255 },
  low: { min: 0, max: 2040 },
  high: { min: 0, max: 2040 },
  grow: { min: -100, max: 100, integer: true },
  trail: { min: 0, max: 1 },
} satisfies Record<string, NumberRange>;
const NUMBERS = Object.keys(RANGES) as (keyof typeof RANGES)[];
/** What `msg.control` may say. */
const LIVE = [...NUMBERS, 'invert', 'learn'];
const LONGEST_NAME = 64;

/** @throws EBADPARAM */
export function readControlFields(def: ControlFields): ControlSettings {
  const kind: ControlMapKind = readOptionalChoice(def.kind, 'kind', 'edges', CONTROL_MAPS);
  const numbers = NUMBERS.map((name) => [name, readOptionalNumber(def[name], name, USUAL_SETTINGS[kind][name], RANGES[name])]);
  const map = {
    kind,
    invert: readOptionalBoolean(def.invert, 'invert', false),
    ...(Object.fromEntries(numbers) as Omit<ControlMapSettings, 'kind' | 'invert'>),
  };
  return {
    picture: readPictureName(def.picture, kind),
    replaces: readOptionalChoice(def.result, 'result', 'beside', ['beside', 'replace']) === 'replace',
    size: readOptionalNumber(def.size, 'size', 512, { min: 16, max: 2048, integer: true }),
    map: checked(map),
    learnMs: 1000 * readOptionalNumber(def.learnSeconds, 'learnSeconds', 3, { min: 0, max: 600 }),
  };
}

/**
 * The settings after `msg.control`, `{ threshold: 30 }`, and whether the room is to be learned anew.
 * @throws EBADPARAM
 */
export function readControl(control: unknown, map: ControlMapSettings): { map: ControlMapSettings; learn: boolean } {
  if (typeof control !== 'object' || control === null || Array.isArray(control)) {
    throw new EngineError('EBADPARAM', `msg.control must be an object such as { threshold: 30 }, not ${quote(control)}`);
  }
  const entries = Object.entries(control);
  const unknown = entries.find(([name]) => !LIVE.includes(name));
  if (unknown) throw new EngineError('EBADPARAM', `msg.control has no ${quote(unknown[0])}; it has ${LIVE.join(', ')}`);
  const said = control as Record<string, unknown>;
  const next = { ...map, invert: readOptionalBoolean(said.invert, 'control.invert', map.invert) };
  for (const name of NUMBERS) if (!isEmpty(said[name])) next[name] = readNumber(said[name], `control.${name}`, RANGES[name]);
  return { map: checked(next), learn: readOptionalBoolean(said.learn, 'control.learn', false) };
}

function checked(map: ControlMapSettings): ControlMapSettings {
  if (map.low <= map.high) return map;
  throw new EngineError('EBADPARAM', `low must not be above high, but ${map.low} is above ${map.high}`);
}

function readPictureName(name: unknown, kind: ControlMapKind): string {
  if (isEmpty(name)) return kind;
  if (typeof name === 'string' && name.trim() !== '' && name.length <= LONGEST_NAME) return name.trim();
  throw new EngineError('EBADPARAM', `picture must be a name of at most ${LONGEST_NAME} letters, not ${quote(name)}`);
}
