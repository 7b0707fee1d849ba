import type { FrameResult, StreamStats } from '../protocol/messages';

/** The window over which rate and latency are measured, ms. */
const WINDOW = 2000;

/** Counts the outcomes of the frames of one stream. */
export class StreamMeter {
  private readonly counters = { in: 0, out: 0, dropped: 0, failed: 0 };
  private recent: { at: number; latencyMs: number }[] = [];
  private finishedAt: number | undefined;

  /** Counts a frame and its outcome, and adds the latency as measured here to the result. */
  async watch(settled: Promise<FrameResult>, submittedAt: number): Promise<FrameResult> {
    this.counters.in++;
    try {
      const result = await settled;
      if (result.outcome === 'dropped') {
        this.counters.dropped++;
        return result;
      }
      const now = performance.now();
      this.counters.out++;
      this.finishedAt = now;
      this.recent = this.within(now);
      this.recent.push({ at: now, latencyMs: now - submittedAt });
      return { ...result, latencyMs: now - submittedAt };
    } catch (error) {
      this.counters.failed++;
      throw error;
    }
  }

  stats(): StreamStats {
    const now = performance.now();
    const recent = this.within(now);
    const latencies = recent.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
    // n frames span n - 1 intervals; a single one has no rate.
    const span = recent.length > 1 ? recent[recent.length - 1].at - recent[0].at : 0;
    const { in: entered, out, dropped, failed } = this.counters;
    return {
      ...this.counters,
      inFlight: entered - out - dropped - failed,
      fps: span > 0 ? ((recent.length - 1) * 1000) / span : 0,
      latencyMs: latencies[Math.floor(latencies.length / 2)] ?? 0,
      lastFrameAgeMs: this.finishedAt === undefined ? null : now - this.finishedAt,
    };
  }

  private within(now: number): { at: number; latencyMs: number }[] {
    return this.recent.filter(({ at }) => now - at <= WINDOW);
  }
}
