import type { Prompt } from './values';

/** The shortest time between two messages with settings, ms: knobs are turned faster than frames are rendered. */
const SEND_MS = 33;

/** Sends messages into the flow. Settings are merged and paced; any other message follows those that were set before it. */
export class FlowOutput {
  private pending: { prompt?: Prompt; params?: object } | undefined;
  private sentAt = -Infinity;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly output: (msg: object) => void) {}

  /** Sends settings with the next paced message. */
  set({ prompt, params }: { prompt?: Prompt; params?: object }): void {
    this.pending = {
      ...this.pending,
      ...(prompt !== undefined && { prompt }),
      ...(params && { params: { ...this.pending?.params, ...params } }),
    };
    this.timer ??= setTimeout(() => this.flush(), Math.max(0, this.sentAt + SEND_MS - performance.now()));
  }

  /** Sends a message at once, after pending settings. */
  send(msg: object): void {
    this.flush();
    this.output(msg);
  }

  /** Drops pending settings. */
  close(): void {
    clearTimeout(this.timer);
    this.pending = undefined;
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const msg = this.pending;
    this.pending = undefined;
    if (!msg) return;
    this.sentAt = performance.now();
    this.output(msg);
  }
}
