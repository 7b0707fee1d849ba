import { parse } from 'node:path';
import { CONTROL_MAPS, type ControlMapKind } from '../../engine/image/control/maps';
import { ANY_ADAPTER } from '../../engine/prompt/request';
import { readNumber, UsageError } from '../command';

/** The source of an adapter's control pictures: drawn from each frame, or read from files. */
export type ControlOption = { name: string; map: ControlMapKind } | { name: string; path: string };

/** The kinds of map that need only the frame; a silhouette also needs the empty room. */
const MAPS: readonly ControlMapKind[] = CONTROL_MAPS.filter((kind) => kind !== 'silhouette');

/**
 * Reads adapters, `NAME=PATH` each; the default name of a LoRA is that of its file.
 *
 * @throws UsageError
 */
export function readAdapters(adapters: readonly string[] = [], loras: readonly string[] = []): Record<string, string> {
  const given = [...adapters.map((text) => pair(text, 'adapter')), ...loras.map(loraOf)];
  const names = given.map(([name]) => name);
  const twice = names.find((name, k) => names.indexOf(name) !== k);
  if (twice !== undefined) throw new UsageError(`two adapters are called "${twice}"; name one of them, as in --lora NAME=FILE`);
  return Object.fromEntries(given);
}

/**
 * Reads control pictures: `MAP` for the adapter of the same name, `NAME=MAP`, or `NAME=PATH` of a picture, a folder or a video.
 *
 * @throws UsageError
 */
export function readControls(controls: readonly string[] = []): ControlOption[] {
  return controls.map((text) => {
    const [name, source] = text.includes('=') ? pair(text, 'control') : [text, text];
    if (source === 'silhouette')
      throw new UsageError('--control silhouette needs the empty room, which a file has not; make the pictures with the control map node');
    if (isMap(source)) return { name, map: source };
    if (text.includes('=')) return { name, path: source };
    throw new UsageError(`--control must be one of ${MAPS.join(', ')}, or NAME=MAP, or NAME=PATH; got "${text}"`);
  });
}

/**
 * Reads pictures as prompts, `NAME=PATH` each; one without a name is for every adapter that shows pictures.
 *
 * @throws UsageError
 */
export function readPicturePaths(pictures: readonly string[] = []): Record<string, string> {
  const given = pictures.map((text): [string, string] => (text.includes('=') ? pair(text, 'picture') : [ANY_ADAPTER, text]));
  const names = given.map(([name]) => name);
  const twice = names.find((name, k) => names.indexOf(name) !== k);
  if (twice !== undefined)
    throw new UsageError(`two pictures are for ${twice === ANY_ADAPTER ? 'every adapter' : `"${twice}"`}; give one of them`);
  return Object.fromEntries(given);
}

/** Reads strengths, `NAME=NUMBER` separated by commas. @throws UsageError */
export function readWeights(text: string | undefined): Record<string, number> | undefined {
  if (text === undefined) return undefined;
  const pairs = text.split(',').map((each) => pair(each.trim(), 'weights'));
  return Object.fromEntries(pairs.map(([name, value]) => [name, readNumber(value, 'weights') ?? NaN]));
}

/** Splits at the first `=`, since a path may contain others. */
function pair(text: string, option: string): [name: string, value: string] {
  const at = text.indexOf('=');
  const [name, value] = [text.slice(0, Math.max(0, at)).trim(), text.slice(at + 1).trim()];
  if (name !== '' && value !== '') return [name, value];
  throw new UsageError(`--${option} must be NAME=${option === 'weights' ? 'NUMBER' : 'PATH'}; got "${text}"`);
}

function loraOf(text: string): [name: string, path: string] {
  return text.includes('=') ? pair(text, 'lora') : [parse(text).name, text];
}

function isMap(text: string): text is ControlMapKind {
  return (MAPS as readonly string[]).includes(text);
}
