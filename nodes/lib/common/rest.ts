import type { NodeMessage } from 'node-red';
import { LruCache } from '../../../engine/util/lru-cache';
import { copiesOf, copyOf, payloadOf, toPicture } from '../../../engine/image/picture';
import { readPictures } from './pictures';

/** As many as a denoiser has streams. */
const MAX_HELD = 8;

/** All denoisers that rest. */
const resting = new Set<Rest>();

/**
 * Somebody has begun to watch: the denoisers whose pictures are wanted go on.
 * @returns whether one of them had a picture to begin with
 */
export function wakeAll(): boolean {
  return [...resting].map((rest) => rest.wake()).includes(true);
}

/**
 * A denoiser that renders nothing while nobody wants its pictures. The newest frame of each topic is held, to be rendered
 * as soon as somebody looks: the next one may be long in coming, or not come at all while the scene stands still.
 */
export class Rest {
  private readonly held = new LruCache<NodeMessage>(MAX_HELD);

  /**
   * @param isWanted whether anybody wants the pictures now
   * @param paint is given what was held, when that changes
   */
  constructor(
    private readonly isWanted: () => boolean,
    private readonly paint: (msg: NodeMessage, topic: string) => void,
  ) {}

  get isResting(): boolean {
    return resting.has(this);
  }

  /** Whether this frame is not to be rendered now; it is then held, in place of the one before. */
  takes(msg: NodeMessage, topic: string): boolean {
    // What asks for a snapshot or a recording wants the picture that it comes with.
    if (msg.snapshot || msg.record !== undefined || this.isWanted()) {
      this.held.delete(topic);
      this.wake();
      return false;
    }
    resting.add(this);
    this.held.set(topic, kept(msg));
    return true;
  }

  /** Ends the rest if somebody wants the pictures by now. @returns whether frames were held for this moment */
  wake(): boolean {
    if (!this.isResting || !this.isWanted()) return false;
    const held = this.held.entries;
    this.close();
    for (const [topic, msg] of held) this.paint(msg, topic);
    return held.length > 0;
  }

  /** Drops what is held of all topics, or of this one; where none is held of it, of the frames without a topic. */
  reset(topic: string): void {
    if (topic === '') this.held.clear();
    else this.held.delete(this.held.has(topic) ? topic : '');
  }

  close(): void {
    resting.delete(this);
    this.held.clear();
  }
}

/** The message with pictures of its own: whoever sent it may draw on the same bytes meanwhile. */
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
