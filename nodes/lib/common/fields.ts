import { booleanSetting, choiceSetting, type NumberRange, numberSetting, readSetting } from '../../../engine/util/setting';

/**
 * A number from a dialog field or a message: numbers, and texts that are wholly one (dialogs save texts).
 * @throws EBADPARAM naming the field, what it may be and what it got
 */
export function readNumber(value: unknown, name: string, range: NumberRange = {}): number {
  return readSetting(numberSetting(undefined, range), name, value);
}

/** Like {@link readNumber}; a field that was left empty, or that an older flow does not have, is `fallback`. */
export function readOptionalNumber(value: unknown, name: string, fallback: number, range: NumberRange = {}): number {
  return isEmpty(value) ? fallback : readNumber(value, name, range);
}

/** @throws EBADPARAM unless the value is true or false (or the text of it) */
export function readBoolean(value: unknown, name: string): boolean {
  return readSetting(booleanSetting(undefined), name, value);
}

/** Like {@link readBoolean}; a field that was left empty, or that an older flow does not have, is `fallback`. */
export function readOptionalBoolean(value: unknown, name: string, fallback: boolean): boolean {
  return isEmpty(value) ? fallback : readBoolean(value, name);
}

/** @throws EBADPARAM unless the value is one of `choices` */
export function readChoice<T extends string>(value: unknown, name: string, choices: readonly T[]): T {
  return readSetting(choiceSetting(undefined, choices), name, value);
}

/** Like {@link readChoice}; a field that was left empty, or that an older flow does not have, is `fallback`. */
export function readOptionalChoice<T extends string>(value: unknown, name: string, fallback: T, choices: readonly T[]): T {
  return isEmpty(value) ? fallback : readChoice(value, name, choices);
}

/** Whether a field was left empty. */
export function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}
