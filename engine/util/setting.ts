import { EngineError } from '../errors';
import { quote } from './quote';

/** One setting: its valid values and its default, for engine, nodes, dialogs and docs. */
export interface Setting<T> {
  /** Undefined where the setting is required. */
  readonly default: T | undefined;
  /** The valid values, in words that follow "must be". */
  readonly wanted: string;
  isValid(value: unknown): value is T;
  /** The value of a text, since dialogs and dashboards send texts; any other value unchanged. Long texts are not parsed. */
  parse(value: unknown): unknown;
}

export interface NumberRange {
  min?: number;
  max?: number;
  integer?: boolean;
}

/** The longest text of a number, characters. */
const MOST_DIGITS = 400;
/** The longest text of a list, or of names with numbers, characters. */
const MOST_LETTERS = 10_000;

export function numberSetting(
  preset: number | undefined,
  range: NumberRange = {},
  wanted = wording(range),
): Setting<number> & { range: NumberRange } {
  const { min = -Infinity, max = Infinity, integer = false } = range;
  return {
    default: preset,
    wanted,
    range,
    isValid: (value): value is number =>
      typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max && (!integer || Number.isInteger(value)),
    parse: numberIn,
  };
}

export function booleanSetting(preset: boolean | undefined): Setting<boolean> {
  return {
    default: preset,
    wanted: 'true or false',
    isValid: (value): value is boolean => typeof value === 'boolean',
    parse: (value) => (value === 'true' || value === 'false' ? value === 'true' : value),
  };
}

export function choiceSetting<T extends string>(preset: T | undefined, choices: readonly T[]): Setting<T> & { choices: readonly T[] } {
  return {
    default: preset,
    wanted: `one of ${choices.join(', ')}`,
    choices,
    isValid: (value): value is T => choices.includes(value as T),
    parse: (value) => value,
  };
}

/** @throws EBADPARAM with the setting's name, its valid values and the given one */
export function checkSetting<T>(setting: Setting<T>, name: string, value: unknown): asserts value is T {
  if (!setting.isValid(value)) throw new EngineError('EBADPARAM', `${name} must be ${setting.wanted}; got ${quote(value)}`);
}

/**
 * Reads a value from a dialog, a message or a command.
 *
 * @throws EBADPARAM with the setting's name, its valid values and the given one
 */
export function readSetting<T>(setting: Setting<T>, name: string, value: unknown): T {
  const parsed = setting.parse(value);
  checkSetting(setting, name, setting.isValid(parsed) ? parsed : value);
  return parsed as T;
}

/** The number, if a text is nothing but one. */
export function numberIn(value: unknown): unknown {
  return typeof value === 'string' && value.length <= MOST_DIGITS && value.trim() !== '' ? Number(value) : value;
}

/** The items of a text, with spaces or commas between them; undefined for another value, or for a text that is too long. */
export function itemsIn(value: unknown, between = /[\s,]+/): string[] | undefined {
  if (typeof value !== 'string' || value.length > MOST_LETTERS) return undefined;
  return value.split(between).filter((item) => item.trim() !== '');
}

function wording({ min = -Infinity, max = Infinity, integer }: NumberRange): string {
  const kind = integer ? 'a whole number' : 'a number';
  if (Number.isFinite(min) && Number.isFinite(max)) return `${kind} from ${min} to ${max}`;
  if (Number.isFinite(min)) return `${kind}, ${min} or more`;
  if (Number.isFinite(max)) return `${kind}, ${max} or less`;
  return integer ? kind : 'a finite number';
}
