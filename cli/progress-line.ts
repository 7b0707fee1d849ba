import type { WriteStream } from 'node:tty';

const REDRAW_MS = 100;
const BAR_WIDTH = 24;
/** Without a terminal, there is a line for every tenth of the work, and at least one in this time, ms. */
const SILENCE_MS = 30_000;

/** A progress bar that is redrawn in one line of a terminal; without a terminal, occasional lines. */
export class ProgressLine {
  private drawnAt = -Infinity;
  private tenth = -1;
  private open = false;

  constructor(private readonly output: Pick<WriteStream, 'write' | 'isTTY' | 'columns'> = process.stdout) {}

  /**
   * @param fraction of the work that is done, 0..1; undefined when its amount is unknown
   * @param text the text beside the bar; only called when it is shown
   */
  update(fraction: number | undefined, text: () => string): void {
    const elapsedMs = performance.now() - this.drawnAt;
    if (this.output.isTTY) {
      if (elapsedMs >= REDRAW_MS || fraction === 1) this.draw(fraction, text());
      return;
    }
    const tenth = Math.floor((fraction ?? 0) * 10);
    if (tenth === this.tenth && elapsedMs < SILENCE_MS) return;
    this.tenth = tenth;
    this.drawnAt = performance.now();
    this.output.write(`${fraction === undefined ? '' : `${percent(fraction)} `}${text()}\n`);
  }

  /** Shows the current activity on a terminal. */
  status(text: string): void {
    if (this.output.isTTY) this.draw(undefined, text);
  }

  /** Writes a line that stays. */
  note(line: string): void {
    this.clear();
    this.output.write(`${line}\n`);
  }

  /** Removes the bar. Must be called before anything else is written. */
  clear(): void {
    if (this.open) this.output.write('\r\x1b[K');
    this.open = false;
    this.drawnAt = -Infinity;
  }

  private draw(fraction: number | undefined, text: string): void {
    const line = fraction === undefined ? text : `${bar(fraction)} ${percent(fraction)} ${text}`;
    // A line that wraps would not be overwritten by the next one.
    this.output.write(`\r${line.slice(0, (this.output.columns || 80) - 1)}\x1b[K`);
    this.drawnAt = performance.now();
    this.open = true;
  }
}

function bar(fraction: number): string {
  const filled = Math.round(fraction * BAR_WIDTH);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}]`;
}

function percent(fraction: number): string {
  return `${Math.floor(fraction * 100)}%`.padStart(4);
}
