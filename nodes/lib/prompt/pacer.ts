import type { NodeMessage } from 'node-red';
import type { PromptState } from './state';

/** A transition that no frames carry is sent this often, ms. */
const INTERVAL = 40;
/** Frames that follow each other within this time carry the transition themselves, ms. */
const FRAMES_WITHIN = 250;

/** Keeps a transition moving where no frames pass: beside the frame line, and while a still scene sends none. */
export class PromptPacer {
  private timer: NodeJS.Timeout | undefined;
  private lastFrameAt = -Infinity;
  /** The stream that the last change was meant for. */
  private topic: unknown;

  constructor(
    private readonly state: PromptState,
    private readonly send: (msg: NodeMessage) => void,
  ) {}

  /** Call it for every message, after the state has taken it. */
  heard(msg: NodeMessage, isNews: boolean, isFrame: boolean, now: number): void {
    if (isFrame) this.lastFrameAt = now;
    if (isNews) this.topic = msg.topic;
    if (this.state.moving) this.timer ??= setInterval(() => this.tick(), INTERVAL).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    const now = performance.now();
    if (this.state.moving && now - this.lastFrameAt > FRAMES_WITHIN) {
      const { topic } = this;
      this.send({ ...(topic !== undefined && { topic: topic as string }), conditioning: this.state.next(now, true) });
    }
    if (!this.state.moving) this.stop();
  }
}
