import { controlPool } from '../../../engine/image/codec-pool';
import type { Background } from '../../../engine/image/control/background';
import { isLight, type Picture } from '../../../engine/image/picture';

/** From so many pictures the room is learned; from fewer where they are few or large. */
const PICTURES = 15;
const MOST_BYTES = 32e6;
/** How often a known room follows the light, ms. */
const ADAPT_EVERY = 2000;

/** The empty room before which a silhouette stands: looked at for a while, then known, then following the light of the day. */
export class Room {
  private seen: Picture[] = [];
  private since: number | undefined;
  private adaptedAt = 0;
  /** How often it was forgotten. */
  private round = 0;

  /**
   * @param learnMs how long to look at it before it counts as learned
   * @param known what was learned before
   * @param onLearned told when the room has become known, or is no longer
   */
  constructor(
    private readonly learnMs: number,
    private known: Background | undefined,
    private readonly onLearned: (room: Background | undefined) => void,
  ) {}

  get isKnown(): boolean {
    return this.known !== undefined;
  }

  get background(): Background | undefined {
    return this.known;
  }

  /** Looks at it anew. */
  forget(): void {
    this.round++;
    this.known = undefined;
    this.seen = [];
    this.since = undefined;
    this.onLearned(undefined);
  }

  /** Whether it should follow the light of the picture that is looked at now. */
  shouldAdapt(now: number): boolean {
    return this.known !== undefined && now - this.adaptedAt >= ADAPT_EVERY;
  }

  /** What became of it under that light. */
  adapt(next: Background, now: number): void {
    this.adaptedAt = now;
    this.known = next;
  }

  /** Looks at a picture while it is not known. Resolves when it has been taken in, which once is when the room is learned. */
  async look(picture: Picture, size: number, now: number): Promise<void> {
    if (this.known) return;
    this.since ??= now;
    const spent = now - this.since;
    if (this.wants(picture, spent)) this.seen.push(picture);
    if (spent < this.learnMs) return;
    const { seen: pictures, round } = this;
    this.seen = [];
    this.since = undefined;
    const room = await controlPool.learnRoom({ pictures, size });
    if (round !== this.round) return;
    this.known = room;
    this.adaptedAt = performance.now();
    this.onLearned(room);
  }

  /** Pictures are taken at even distances, and in any case one. What is slow to decode is looked at once. */
  private wants({ data }: Picture, spent: number): boolean {
    const { seen } = this;
    if (seen.length === 0) return true;
    const bytes = seen.reduce((sum, picture) => sum + picture.data.length, data.length);
    return seen.length < PICTURES && spent >= (seen.length * this.learnMs) / PICTURES && bytes <= MOST_BYTES && seen.every(isLight);
  }
}
