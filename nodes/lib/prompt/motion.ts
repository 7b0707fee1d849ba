import { isDeepStrictEqual } from 'node:util';
import type { PromptSpec } from '../../../engine/host/protocol/messages';
import { MOST_TARGETS, onTheWay, simplify, type Target } from '../../../engine/prompt/transition';
import { ease, type TransitionSettings } from './transition';

interface Transition {
  from: PromptSpec;
  settings: TransitionSettings;
  startedAt: number;
  frames: number;
}

/** Positions are rounded to this fraction: finer than anybody sees, and short as JSON. */
const POSITIONS = 1e5;

/** Where the prompts are: at a target, or on their way to it from what was on screen when they set out. */
export class PromptMotion {
  private way: Transition | undefined;
  /** What was sent last. */
  private shown: PromptSpec;

  constructor(private target: Target) {
    this.shown = target;
  }

  get moving(): boolean {
    return this.way !== undefined;
  }

  /** Goes to another target from now on. The same one again changes nothing, unless it is to be there at once. */
  head(target: Target, settings: TransitionSettings, now: number): void {
    const isNew = !isDeepStrictEqual(target, this.target);
    this.target = target;
    if (lengthOf(settings) === 0) this.way = undefined;
    else if (isNew) this.way = { from: simplify(this.shown, MOST_TARGETS - 1), settings, startedAt: now, frames: 0 };
  }

  /**
   * The conditioning for what is sent now.
   *
   * @param now ms
   * @param isFrame whether this counts where a transition is counted in frames
   */
  next(now: number, isFrame: boolean): PromptSpec {
    this.shown = this.way ? this.onTheWay(this.way, now, isFrame) : this.target;
    return this.shown;
  }

  private onTheWay(way: Transition, now: number, isFrame: boolean): PromptSpec {
    const { from, settings, startedAt } = way;
    if (isFrame) way.frames++;
    const done = 'ms' in settings.length ? now - startedAt : way.frames;
    const share = done / lengthOf(settings);
    const position = Math.round(ease(share, settings.easing) * POSITIONS) / POSITIONS;
    // Rounded up, the position may reach the target a little early.
    if (position >= 1) this.way = undefined;
    return onTheWay(from, this.target, position, settings);
  }
}

function lengthOf({ length }: TransitionSettings): number {
  return 'ms' in length ? length.ms : length.frames;
}
