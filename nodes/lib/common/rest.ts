import type { NodeMessage } from 'node-red';
import { LruCache } from '../../../engine/util/lru-cache';
import { copiesOf, copyOf, payloadOf, toPicture } from '../../../engine/image/picture';
import { readPictures } from './pictures';

/** The most frames that are held: as many as a denoiser has streams. */
const MAX_HELD = 8;

/** All denoisers that rest. */
const resting = new Set<Rest>();

/**
 * Somebody has begun to watch: wakes the denoisers whose pictures are wanted.
 *
 * @returns whether one of them held a frame to render
 */
export function wakeAll(): boolean {
  return [...resting].map((rest) => rest.wake()).includes(true);
}

/**
 * Makes a denoiser idle while nobody wants its pictures. The newest frame of each topic is held, to be rendered as soon as
 * somebody watches: the next one may come late, or not at all while the scene is still.
 */
export class Rest {
  private readonly held = new LruCache<NodeMessage>(MAX_HELD);

  /**
   * @param isWanted whether anybody wants the pictures now
   * @param paint renders a held frame, called when somebody wants the pictures again
   */
  constructor(
    private readonly isWanted: () => boolean,
    private readonly paint: (msg: NodeMessage, topic: string) => void,
  ) {}

  get isResting(): boolean {
    return resting.has(this);
  }

  /** Whether this frame is held instead of rendered; it replaces the one held before. */
  takes(msg: NodeMessage, topic: string): boolean {
    // A message that asks for a snapshot or a recording needs its picture.
    if (msg.snapshot || msg.record !== undefined || this.isWanted()) {
      this.held.delete(topic);
      this.wake();
      return false;
    }
    resting.add(this);
    this.held.set(topic, kept(msg));
    return true;
  }

  /** Ends the rest if somebody wants the pictures by now. @returns whether frames were held */
  wake(): boolean {
    if (!this.isResting || !this.isWanted()) return false;
    const held = this.held.entries;
    this.close();
    for (const [topic, msg] of held) this.paint(msg, topic);
    return held.length > 0;
  }

  /** Drops the held frames of all topics, or of this one; where it has none, of frames without a topic. */
  reset(topic: string): void {
    if (topic === '') this.held.clear();
    else this.held.delete(this.held.has(topic) ? topic : '');
  }

  close(): void {
    resting.delete(this);
    this.held.clear();
  }
}

/** The message with copies of its pictures: the sender may reuse the buffers meanwhile. */
function kept(msg: NodeMessage): NodeMessage {
  const own = { ...msg };
  try {
    if (msg.pictures !== undefined) {
      const copies = Object.entries(copiesOf(readPictures(msg.pictures)));
      own.pictures = Object.fromEntries(copies.map(([name, picture]) => [name, payloadOf(picture)]));
    }
    own.payload = payloadOf(copyOf(toPicture(msg.payload)));
  } catch {
    // Text to image needs no picture.
  }
  return own;
}
