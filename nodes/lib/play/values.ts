import type { WeightedText } from '../../../engine/host/protocol/messages';
import { EngineError } from '../../../engine/errors';
import { SETTINGS } from '../../../engine/diffusion/options';
import { quote } from '../../../engine/util/quote';
import type { NumberRange } from '../../../engine/util/setting';
import { readNumber } from '../common/fields';
import { readPrompt } from '../prompt/texts';

/** The denoiser's settings on a performance page, and their ranges there. */
export const KNOBS = {
  strength: { min: 0, max: 1 },
  steps: { min: 1, max: 8, integer: true },
  guidanceScale: { min: 0, max: 10 },
  feedback: SETTINGS.feedback.range,
  feedbackZoom: SETTINGS.feedbackZoom.range,
  feedbackRotate: SETTINGS.feedbackRotate.range,
  seed: { min: -1, max: 2 ** 32 - 1, integer: true },
  seedDrift: SETTINGS.seedDrift.range,
} as const satisfies Record<string, NumberRange>;
export type Knob = keyof typeof KNOBS;

/** The range of an adapter's strength; a negative one inverts a LoRA. */
export const WEIGHT = { min: -2, max: 2 } as const;
const MOST_WEIGHTS = 32;
const MOST_LETTERS = 2000;

/** A prompt in the form that the prompt encoder takes. */
export type Prompt = string | WeightedText[];

/** The values that a performance page sets and shows. Unknown or untouched ones are missing. */
export interface PlayValues {
  prompt?: Prompt;
  params: Partial<Record<Knob, number>>;
  /** The strengths of adapters, by name. */
  weights: Record<string, number>;
}

/**
 * Reads the values that a page sets.
 *
 * @param adapters the names of the adapters
 * @throws EBADPARAM, EBADPROMPT
 */
export function readValues(value: unknown, adapters: readonly string[]): PlayValues {
  const { prompt, params, weights } = objectIn(value, 'set');
  return {
    ...(prompt !== undefined && { prompt: readPagePrompt(prompt) }),
    params: readKnobs(params),
    weights: readWeights(weights, adapters),
  };
}

/** The sound of a page's microphone: levels from 0 to 1, and whether there is a beat. */
export interface Sound {
  level: number;
  bass: number;
  treble: number;
  beat: boolean;
}

/** @throws EBADPARAM */
export function readSound(value: unknown): Sound {
  const { level, bass, treble, beat } = objectIn(value, 'sound');
  const share = (part: unknown, name: string): number => readNumber(part, `sound.${name}`, { min: 0, max: 1 });
  return { level: share(level, 'level'), bass: share(bass, 'bass'), treble: share(treble, 'treble'), beat: beat === true };
}

function readPagePrompt(value: unknown): Prompt {
  const texts = readPrompt(value, 'the prompt');
  const length = texts.reduce((sum, { text }) => sum + text.length, 0);
  if (length > MOST_LETTERS) throw new EngineError('EBADPROMPT', `a page's prompt may have ${MOST_LETTERS} characters, not ${length}`);
  return typeof value === 'string' ? value : texts;
}

function readKnobs(value: unknown): PlayValues['params'] {
  const knobs: PlayValues['params'] = {};
  for (const [name, setting] of Object.entries(objectIn(value ?? {}, 'params'))) {
    if (!Object.hasOwn(KNOBS, name)) {
      throw new EngineError('EBADPARAM', `a performance page sets ${Object.keys(KNOBS).join(', ')}, not ${quote(name)}`);
    }
    knobs[name as Knob] = readNumber(setting, name, KNOBS[name as Knob]);
  }
  return knobs;
}

function readWeights(value: unknown, adapters: readonly string[]): Record<string, number> {
  const entries = Object.entries(objectIn(value ?? {}, 'weights')).slice(0, MOST_WEIGHTS);
  for (const [name] of entries) {
    if (!adapters.includes(name)) throw new EngineError('EBADPARAM', `there is no adapter ${quote(name)}`);
  }
  return Object.fromEntries(entries.map(([name, weight]) => [name, readNumber(weight, `the weight of ${name}`, WEIGHT)]));
}

function objectIn(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new EngineError('EBADPARAM', `${name} must be an object, not ${quote(value)}`);
}

/** A prompt as one line for people. */
export function lineOf(prompt: Prompt): string {
  return typeof prompt === 'string' ? prompt : prompt.map(({ text }) => text).join(' + ');
}
