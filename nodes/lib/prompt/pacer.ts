import type { NodeMessage } from 'node-red';
import type { PromptState } from './state';

/** A transition that no frames carry is sent this often, ms. */
const INTERVAL = 40;
/** The next frame is waited for at least this long, ms, or this many times the pause before the last one. */
const [LEAST_WAIT, PAUSES] = [250, 2.5];
/** A longer pause was a still scene, not a slow source, ms. */
const LONGEST_PAUSE = 10_000;

/** Keeps a transition moving where no frames pass: beside the frame line, and while a still scene sends none. */
export class PromptPacer {
  private timer: NodeJS.Timeout | undefined;
  private lastFrameAt = -Infinity;
  /** How long frames carry the transition themselves after the last one, ms. */
  private wait = LEAST_WAIT;
  /** The stream that the last change was meant for. */
  private topic: unknown;

  constructor(
    private readonly state: PromptState,
    private readonly send: (msg: NodeMessage) => void,
  ) {}

  /** Call it for every message, after the state has taken it. */
  heard(msg: NodeMessage, isNews: boolean, isFrame: boolean, now: number): void {
    if (isFrame) {
      const pause = now - this.lastFrameAt;
      this.wait = pause > LONGEST_PAUSE ? LEAST_WAIT : Math.max(LEAST_WAIT, PAUSES * pause);
      this.lastFrameAt = now;
    }
    if (isNews) this.topic = msg.topic;
    if (this.state.moving) this.timer ??= setInterval(() => this.tick(), INTERVAL).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    const now = performance.now();
    if (this.state.moving && now - this.lastFrameAt > this.wait) {
      const { topic } = this;
      this.send({ ...(topic !== undefined && { topic: topic as string }), conditioning: this.state.next(now, true) });
    }
    if (!this.state.moving) this.stop();
  }
}
