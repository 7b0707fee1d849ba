import { EngineError } from '../../../engine/errors';
import { TRANSITION_METHODS, TRANSITION_PACES, type TransitionMethod, type TransitionPace } from '../../../engine/prompt/request';
import { quote } from '../../../engine/util/quote';
import { isEmpty, readChoice, readNumber } from '../common/fields';

const EASINGS = ['smooth', 'linear'] as const;
export type Easing = (typeof EASINGS)[number];

/** How a prompt changes into the next one. */
export interface TransitionSettings {
  length: { ms: number } | { frames: number };
  method: TransitionMethod;
  /** `smooth` sets out and arrives slowly, `linear` goes at one speed. */
  easing: Easing;
  pace: TransitionPace;
}

const LONGEST_MS = 86_400_000;
const MOST_FRAMES = 1_000_000;

/**
 * Reads `msg.transition`, or the dialog's fields: a time in ms, or an object with `ms` or `frames`, `method`, `easing`
 * and `pace`, of which what is missing stays as it is in `current`.
 *
 * @throws EBADPARAM
 */
export function readTransition(value: unknown, current: TransitionSettings): TransitionSettings {
  if (typeof value !== 'object' || value === null) return { ...current, length: { ms: readMs(value, 'msg.transition') } };
  const known = ['ms', 'frames', 'method', 'easing', 'pace'];
  const unknown = Array.isArray(value) ? undefined : Object.keys(value).find((name) => !known.includes(name));
  if (Array.isArray(value) || unknown !== undefined) {
    throw new EngineError(
      'EBADPARAM',
      `msg.transition must be a time in ms, or an object with ${known.join(', ')}, not ${unknown ? `with ${quote(unknown)}` : quote(value)}`,
    );
  }
  const { ms, frames, method, easing, pace } = value as Record<string, unknown>;
  if (!isEmpty(ms) && !isEmpty(frames)) throw new EngineError('EBADPARAM', 'msg.transition has ms and frames; it may have one of them');
  return {
    length: isEmpty(frames)
      ? isEmpty(ms)
        ? current.length
        : { ms: readMs(ms, 'msg.transition.ms') }
      : { frames: readNumber(frames, 'msg.transition.frames', { min: 0, max: MOST_FRAMES, integer: true }) },
    method: isEmpty(method) ? current.method : readChoice(method, 'msg.transition.method', TRANSITION_METHODS),
    easing: isEmpty(easing) ? current.easing : readChoice(easing, 'msg.transition.easing', EASINGS),
    pace: isEmpty(pace) ? current.pace : readChoice(pace, 'msg.transition.pace', TRANSITION_PACES),
  };
}

/** Part of a smooth transition in which it gets going, and as much in which it comes to rest. */
const RAMP = 0.15;

/** How much of the way is done when `share` (0..1) of its length is over. Smooth goes 1 / (1 - RAMP) = 1.18 times the mean speed at most. */
export function ease(share: number, easing: Easing): number {
  const t = Math.min(1, share);
  if (easing === 'linear') return t;
  if (t > 0.5) return 1 - ease(1 - t, easing);
  return (t < RAMP ? (t * t) / (2 * RAMP) : t - RAMP / 2) / (1 - RAMP);
}

function readMs(value: unknown, name: string): number {
  return readNumber(value, name, { min: 0, max: LONGEST_MS });
}
