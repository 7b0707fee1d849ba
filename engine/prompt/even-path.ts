import { squaredDifference } from '../util/vectors';

/**
 * The pace of a transition. Its pictures do not change evenly with the position between two prompts: they hardly change
 * near either prompt and turn quickly in between. A path estimates how the pictures change along the way from a few
 * samples, and says where a transition should be so that neither the pictures nor the embeddings jump.
 */

/** Where pictures are sampled first, before the widest gaps between them are halved. */
const FIRST = [0, 1, 0.5, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875] as const;
/** How many samples a plan needs. */
const ENOUGH = 5;
const MOST = 21;
/**
 * Where pictures change less than this part of their mean speed, a transition goes no faster: the embeddings' steps
 * may then be at most 1 / 0.94 of the pictures'.
 */
const LEAST_SPEED = 0.94;
/** Until the first samples have come, the transition goes at this part of the clock's speed, since it may begin at a turn. */
const CAREFUL = 0.7;
/** How long it goes that slowly at most, and by when it has caught up if there is no plan, as parts of the transition. */
const CAREFUL_UNTIL = 0.1;
const CAUGHT_UP = 0.4;
/** Parts of the way below this are not told apart. */
const FINEST = 1 / 256;
/** Where the first stretch ends, which is over before anything is known. It is one of the FIRST positions. */
const FIRST_STRETCH = 0.125;

/** A picture that was made at a position on the way, as one or more measures, each a list of numbers. */
interface Sample {
  position: number;
  measures: readonly Float32Array[];
}

/** A piece of the way between two samples. */
export interface Stretch {
  from: number;
  to: number;
  /** How much of it is done, 0..1. */
  part: number;
  /** The measures at both ends, where they are known. */
  ends?: [from: readonly Float32Array[], to: readonly Float32Array[]];
}

/** The position on the way for each length covered: two rising lists, and the point from which they hold. */
interface Plan {
  positions: number[];
  lengths: number[];
  from: { time: number; position: number };
}

export class EvenPath {
  /** Samples in the order of their positions. */
  private readonly samples: Sample[] = [];
  private readonly asked = new Set<number>();
  /** The stretches that have been given out: where each begins, and where it ends. */
  private readonly stretches = new Map<number, number>();
  private plan: Plan | undefined;
  private last = { time: 0, position: 0 };

  /**
   * The position on the way at a time.
   *
   * @param time how much of the transition is over, 0..1
   * @returns 0..1; never less for a later time, and without a jump when more becomes known
   */
  at(time: number): number {
    const position = time >= 1 ? 1 : this.planned(Math.max(0, time));
    this.last = { time, position };
    return position;
  }

  /** Where to sample next; undefined when enough is known, or under way, of what lies ahead. */
  next(): number | undefined {
    const position = this.asked.size < MOST ? (FIRST.find((each) => !this.asked.has(each)) ?? this.widest()) : undefined;
    if (position !== undefined) this.asked.add(position);
    return position;
  }

  /**
   * The two samples that a position lies between, for pictures that are mixed from them: they change as far as the plan
   * assumes, whatever turns there are in between. A stretch that has been given out stays as it is.
   *
   * @returns undefined where too little is known
   */
  stretch(position: number): Stretch | undefined {
    const before = this.samples.findLast((sample) => sample.position <= position);
    const after = this.samples.find((sample) => sample.position > position);
    const between = this.plan && before && after ? [before.position, after.position] : undefined;
    const ends = position < FIRST_STRETCH ? [0, FIRST_STRETCH] : between;
    if (!ends) return undefined;
    const [from, to] = ends;
    this.stretches.set(from, to);
    const known = before?.position === from && after?.position === to;
    return { from, to, part: (position - from) / (to - from), ...(known && { ends: [before.measures, after.measures] }) };
  }

  /** @param measures the picture at that position; each of the same length for all of them */
  add(position: number, measures: readonly Float32Array[]): void {
    if (this.isInside(position)) return;
    this.samples.push({ position, measures });
    this.samples.sort((a, b) => a.position - b.position);
    if (this.samples.length < ENOUGH || this.last.time >= 1) return;
    let length = 0;
    const lengths = [0, ...this.gaps().map((gap) => (length += gap))];
    this.plan = { positions: this.samples.map((sample) => sample.position), lengths, from: this.last };
  }

  /** Whether a position lies within a stretch that has been given out. */
  private isInside(position: number): boolean {
    return [...this.stretches].some(([from, to]) => position > from && position < to);
  }

  private planned(time: number): number {
    if (!this.plan)
      return this.asked.size > 0 ? interpolate([0, CAREFUL_UNTIL, CAUGHT_UP, 1], [0, CAREFUL * CAREFUL_UNTIL, CAUGHT_UP, 1], time) : time;
    const { positions, lengths, from } = this.plan;
    if (time <= from.time) return from.time > 0 ? (time / from.time) * from.position : 0;
    const start = interpolate(positions, lengths, from.position);
    const rest = lengths[lengths.length - 1] - start;
    return interpolate(lengths, positions, start + (rest * (time - from.time)) / (1 - from.time));
  }

  /** The middle of the longest gap ahead for which no sample is under way. */
  private widest(): number | undefined {
    const gaps = this.gaps();
    let longest = 0;
    let middle: number | undefined;
    for (const [i, gap] of gaps.entries()) {
      const [from, to] = [this.samples[i].position, this.samples[i + 1].position];
      const between = (from + to) / 2;
      if (gap <= longest || to <= this.last.position || to - from < FINEST || this.asked.has(between) || this.stretches.has(from)) continue;
      [longest, middle] = [gap, between];
    }
    return middle;
  }

  /** The share of each gap in the whole way, in the measure (or the embeddings) where it is largest. */
  private gaps(): number[] {
    const pairs = this.samples.slice(1).map((sample, i) => [this.samples[i], sample] as const);
    const shares = pairs.map(([from, to]) => LEAST_SPEED * (to.position - from.position));
    for (const m of this.samples[0]?.measures.keys() ?? []) {
      const distances = pairs.map(([from, to]) => Math.sqrt(squaredDifference(from.measures[m], to.measures[m])));
      const whole = distances.reduce((sum, each) => sum + each, 0);
      if (whole > 0) distances.forEach((each, i) => (shares[i] = Math.max(shares[i], each / whole)));
    }
    return shares;
  }
}

/** The value of a rising, piecewise linear function at x. */
function interpolate(xs: readonly number[], ys: readonly number[], x: number): number {
  const above = xs.findIndex((each) => each >= x);
  if (above <= 0) return above === 0 ? ys[0] : ys[ys.length - 1];
  const part = (x - xs[above - 1]) / (xs[above] - xs[above - 1]);
  return ys[above - 1] + part * (ys[above] - ys[above - 1]);
}
