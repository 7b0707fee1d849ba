import { controlPool } from '../../../engine/image/codec-pool';
import type { Background } from '../../../engine/image/control/background';
import { isLight, type Picture } from '../../../engine/image/picture';

/** The number of pictures that the room is learned from; fewer where pictures come slowly or are large. */
const PICTURES = 15;
const MOST_BYTES = 32e6;
/** How often a known room follows the light, ms. */
const ADAPT_EVERY = 2000;

/** The empty room behind a silhouette: learned from some pictures, then adapted to changes of the light. */
export class Room {
  private seen: Picture[] = [];
  private since: number | undefined;
  private adaptedAt = 0;
  /** How often the room was forgotten. */
  private round = 0;

  /**
   * @param learnMs how long it is learned, ms
   * @param known the room that was learned before
   * @param onLearned called when the room has been learned, or is no longer known
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

  /** Forgets the room, so that it is learned again. */
  forget(): void {
    this.round++;
    this.known = undefined;
    this.seen = [];
    this.since = undefined;
    this.onLearned(undefined);
  }

  /** Whether to adapt the room to the light of the current picture. */
  shouldAdapt(now: number): boolean {
    return this.known !== undefined && now - this.adaptedAt >= ADAPT_EVERY;
  }

  /** Takes over the adapted room. */
  adapt(next: Background, now: number): void {
    this.adaptedAt = now;
    this.known = next;
  }

  /** Learns from a picture while the room is unknown. Resolves when the picture was used. */
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

  /** Pictures are used at even intervals, and at least one. Of pictures that are slow to decode, only one is used. */
  private wants({ data }: Picture, spent: number): boolean {
    const { seen } = this;
    if (seen.length === 0) return true;
    const bytes = seen.reduce((sum, picture) => sum + picture.data.length, data.length);
    return seen.length < PICTURES && spent >= (seen.length * this.learnMs) / PICTURES && bytes <= MOST_BYTES && seen.every(isLight);
  }
}
