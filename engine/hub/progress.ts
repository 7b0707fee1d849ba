/** The progress of a download. */
export interface PullProgress {
  phase: 'checking' | 'downloading';
  /** Bytes that have arrived, including those of earlier tries. */
  doneBytes: number;
  totalBytes: number;
  /** The speed over the last five seconds; 0 while nothing arrives. */
  bytesPerSecond: number;
  /** The remaining time at this speed, ms; undefined while it is unknown. */
  remainingMs: number | undefined;
}

const WINDOW_MS = 5000;
const SAMPLE_MS = 250;

/** Counts the bytes that arrive, and measures the speed over the last five seconds. */
export class ProgressMeter {
  private received = 0;
  private readonly samples: { at: number; received: number }[];

  /**
   * @param doneBytes bytes of earlier tries, which do not count towards the speed
   * @param now a clock, ms
   */
  constructor(
    private readonly totalBytes: number,
    private doneBytes = 0,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.samples = [{ at: this.now(), received: 0 }];
  }

  /** Adds bytes that arrived; a negative number when some must be sent again. */
  add(bytes: number): void {
    this.doneBytes += bytes;
    if (bytes > 0) this.received += bytes;
    const at = this.now();
    if (at - this.samples[this.samples.length - 1].at < SAMPLE_MS) return;
    this.samples.push({ at, received: this.received });
    while (this.samples.length > 2 && at - this.samples[1].at >= WINDOW_MS) this.samples.shift();
  }

  progress(phase: PullProgress['phase']): PullProgress {
    const [first] = this.samples;
    const elapsedMs = this.now() - first.at;
    const bytesPerSecond = elapsedMs > 0 ? ((this.received - first.received) / elapsedMs) * 1000 : 0;
    const left = this.totalBytes - this.doneBytes;
    const remainingMs = bytesPerSecond > 0 ? (left / bytesPerSecond) * 1000 : undefined;
    return { phase, doneBytes: this.doneBytes, totalBytes: this.totalBytes, bytesPerSecond, remainingMs };
  }
}
