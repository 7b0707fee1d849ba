import { EngineError } from '../../../engine/errors';
import { CONTROL_MAPS, type ControlMapKind, type ControlMapSettings, USUAL_SETTINGS } from '../../../engine/image/control/maps';
import { INPUT_RANGES } from '../../../engine/net/picture/net-input';
import { OUTPUT_RANGES } from '../../../engine/net/picture/net-output';
import type { PictureNetSettings } from '../../../engine/net/picture/picture-net';
import { quote } from '../../../engine/util/quote';
import type { NumberRange } from '../../../engine/util/setting';
import { isEmpty, readNumber, readOptionalBoolean, readOptionalChoice, readOptionalNumber } from '../common/fields';

/** The fields of a control map's dialog. Dialogs save texts; an empty field stands for the kind's default. */
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
  net?: string;
  provider?: string;
  inputRange?: string;
  outputRange?: string;
}

export interface ControlSettings {
  /** The name of the map in `msg.pictures`. */
  picture: string;
  /** Whether the map replaces the picture instead of being added beside it. */
  replaces: boolean;
  /** The length of its shorter side, pixels. */
  size: number;
  map: ControlMapSettings;
  /** The net that draws it, instead of a kind of map. */
  net?: PictureNetSettings;
  /** How long the room is learned, ms. */
  learnMs: number;
}

/** The ranges of the numbers that can be changed while frames come. */
export const RANGES = {
  radius: { min: 0, max: 100 },
  threshold: { min: 0, max: 255 },
  low: { min: 0, max: 2040 },
  high: { min: 0, max: 2040 },
  grow: { min: -100, max: 100, integer: true },
  trail: { min: 0, max: 1 },
} satisfies Record<string, NumberRange>;
const NUMBERS = Object.keys(RANGES) as (keyof typeof RANGES)[];
/** The properties of `msg.control`. */
const LIVE = [...NUMBERS, 'invert', 'learn'];
/** The fields that the open dialog changes on the running node; the others take effect with a deploy. */
const TUNABLE = [...NUMBERS, 'kind', 'invert', 'size'];
const LONGEST_NAME = 64;
const LONGEST_PATH = 4096;

/** @throws EBADPARAM */
export function readControlFields(def: ControlFields): ControlSettings {
  const chosen = readOptionalChoice(def.kind, 'kind', 'edges', [...CONTROL_MAPS, 'net']);
  // Of a map's settings, a net only uses `invert`.
  const kind: ControlMapKind = chosen === 'net' ? 'luminance' : chosen;
  const numbers = NUMBERS.map((name) => [name, readOptionalNumber(def[name], name, USUAL_SETTINGS[kind][name], RANGES[name])]);
  const map = {
    kind,
    invert: readOptionalBoolean(def.invert, 'invert', false),
    ...(Object.fromEntries(numbers) as Omit<ControlMapSettings, 'kind' | 'invert'>),
  };
  return {
    picture: readPictureName(def.picture, chosen),
    replaces: readOptionalChoice(def.result, 'result', 'beside', ['beside', 'replace']) === 'replace',
    size: readOptionalNumber(def.size, 'size', 512, { min: 16, max: 2048, integer: true }),
    map: checked(map),
    ...(chosen === 'net' && { net: readNet(def) }),
    learnMs: 1000 * readOptionalNumber(def.learnSeconds, 'learnSeconds', 3, { min: 0, max: 600 }),
  };
}

/**
 * The settings after `msg.control`, such as `{ threshold: 30 }`, and whether to learn the room again.
 *
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

/** A node's fields as its open dialog changes them, and the resulting settings. */
export interface TunedControl {
  fields: ControlFields;
  settings: ControlSettings;
}

/**
 * Applies changed fields of the dialog to a running control map; other settings from `msg.control` stay.
 *
 * @throws EBADPARAM also for changes that need a deploy: some kinds of map, and another size of a silhouette, which would lose
 *   the room that it has learned
 */
export function tuneControl({ fields, settings }: TunedControl, params: unknown): TunedControl {
  if (typeof params !== 'object' || params === null) throw new EngineError('EBADPARAM', `params must be an object, not ${quote(params)}`);
  const names = Object.keys(params);
  const unknown = names.find((name) => !TUNABLE.includes(name));
  if (unknown !== undefined) throw new EngineError('EBADPARAM', `a dialog cannot tune ${quote(unknown)}; it can ${TUNABLE.join(', ')}`);
  const next: ControlFields = { ...fields, ...params };
  const read = readControlFields(next);
  const isAnother = (next.kind ?? 'edges') !== (fields.kind ?? 'edges');
  if (isAnother && [fields.kind, next.kind].some((kind) => kind === 'silhouette' || kind === 'net'))
    throw new EngineError('EBADPARAM', 'changing to or from a silhouette, or a map that a net draws, needs a deploy');
  if (next.kind === 'silhouette' && read.size !== settings.size)
    throw new EngineError('EBADPARAM', `another size of a silhouette needs a deploy: it has learned the room at ${settings.size}`);
  const named = Object.fromEntries(Object.entries(read.map).filter(([name]) => names.includes(name)));
  const map = isAnother ? read.map : checked({ ...settings.map, ...named });
  return { fields: next, settings: { ...settings, map, ...(names.includes('size') && { size: read.size }) } };
}

function checked(map: ControlMapSettings): ControlMapSettings {
  if (map.low <= map.high) return map;
  throw new EngineError('EBADPARAM', `low must not be above high, but ${map.low} is above ${map.high}`);
}

function readNet(def: ControlFields): PictureNetSettings {
  const file = typeof def.net === 'string' ? def.net.trim() : '';
  if (file === '' || file.length > LONGEST_PATH)
    throw new EngineError('EBADPARAM', `net must be the path of an .onnx file, not ${quote(def.net)}`);
  const provider = isEmpty(def.provider) ? 'cpu' : def.provider;
  if (typeof provider !== 'string' || !/^[a-z]{2,16}(:\d{1,2})?$/.test(provider)) {
    throw new EngineError('EBADPARAM', `provider must be an execution provider such as cpu or cuda, not ${quote(provider)}`);
  }
  return {
    file,
    executionProvider: provider,
    input: readOptionalChoice(def.inputRange, 'inputRange', 'auto', INPUT_RANGES),
    output: readOptionalChoice(def.outputRange, 'outputRange', 'auto', OUTPUT_RANGES),
  };
}

function readPictureName(name: unknown, kind: string): string {
  if (isEmpty(name)) return kind;
  if (typeof name === 'string' && name.trim() !== '' && name.length <= LONGEST_NAME) return name.trim();
  throw new EngineError('EBADPARAM', `picture must be a name of at most ${LONGEST_NAME} letters, not ${quote(name)}`);
}
