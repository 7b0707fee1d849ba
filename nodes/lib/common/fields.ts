import { EngineError } from '../../../engine/errors';
import { quote } from '../../../engine/util/quote';

/** No number has more, written out. */
const MOST_DIGITS = 400;

export interface NumberRange {
  min?: number;
  max?: number;
  integer?: boolean;
}

/**
 * A number from a dialog field or a message: numbers, and texts that are wholly one (dialogs save texts).
 * @throws EBADPARAM naming the field, what it may be and what it got
 */
export function readNumber(value: unknown, name: string, { min = -Infinity, max = Infinity, integer = false }: NumberRange = {}): number {
  const number = typeof value === 'string' && value.length <= MOST_DIGITS && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number) && number >= min && number <= max && (!integer || Number.isInteger(number))) {
    return number;
  }
  throw new EngineError('EBADPARAM', `${name} must be ${wording(min, max, integer)}, not ${quote(value)}`);
}

/** Like {@link readNumber}; a field that was left empty, or that an older flow does not have, is `fallback`. */
export function readOptionalNumber(value: unknown, name: string, fallback: number, range: NumberRange = {}): number {
  return isEmpty(value) ? fallback : readNumber(value, name, range);
}

/** @throws EBADPARAM unless the value is true or false (or the text of it) */
export function readBoolean(value: unknown, name: string): boolean {
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw new EngineError('EBADPARAM', `${name} must be true or false, not ${quote(value)}`);
}

/** Like {@link readBoolean}; a field that was left empty, or that an older flow does not have, is `fallback`. */
export function readOptionalBoolean(value: unknown, name: string, fallback: boolean): boolean {
  return isEmpty(value) ? fallback : readBoolean(value, name);
}

/** @throws EBADPARAM unless the value is one of `choices` */
export function readChoice<T extends string>(value: unknown, name: string, choices: readonly T[]): T {
  const choice = choices.find((known) => known === value);
  if (choice !== undefined) return choice;
  throw new EngineError('EBADPARAM', `${name} must be one of ${choices.join(', ')}, not ${quote(value)}`);
}

/** Like {@link readChoice}; a field that was left empty, or that an older flow does not have, is `fallback`. */
export function readOptionalChoice<T extends string>(value: unknown, name: string, fallback: T, choices: readonly T[]): T {
  return isEmpty(value) ? fallback : readChoice(value, name, choices);
}

/** Whether a field was left empty. */
export function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function wording(min: number, max: number, integer: boolean): string {
  const kind = integer ? 'a whole number' : 'a number';
  if (Number.isFinite(min) && Number.isFinite(max)) return `${kind} from ${min} to ${max}`;
  if (Number.isFinite(min)) return `${kind}, ${min} or more`;
  if (Number.isFinite(max)) return `${kind}, ${max} or less`;
  return kind;
}
