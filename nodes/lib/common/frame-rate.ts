/** Counts frames between readings. */
export class FrameRate {
  private frames = 0;
  private since = performance.now();

  count(): void {
    this.frames++;
  }

  /** Frames per second since the last reading, rounded; the count starts over. */
  take(): number {
    const now = performance.now();
    const fps = Math.round((this.frames * 1000) / (now - this.since));
    this.frames = 0;
    this.since = now;
    return fps;
  }
}
