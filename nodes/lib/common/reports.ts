import { basename } from 'node:path';
import type { HostReport, StreamStats } from '../../../engine/host/protocol/messages';

/** The state of an engine, for programs. */
export interface EngineReport {
  phase: HostReport['state']['phase'];
  /** When this phase began, ISO 8601. */
  since: string;
  /** The name of the model's folder without its path, and where it runs; while it is ready. */
  model?: string;
  executionProvider?: string;
  /** The code of the error because of which it is not ready. */
  error?: string;
  /** The number of processes that ended unexpectedly. */
  restarts: number;
  memoryBytes: number;
  streams: StreamReport[];
}

/** A stream with its counters since it was opened, its rate and latency of the last two seconds. */
export interface StreamReport extends StreamStats {
  stream: string;
}

/** Contains only what everybody who sees the pictures may know: no paths, no error messages. */
export function engineReport({ state, since, restarts, memoryBytes, streams }: HostReport): EngineReport {
  return {
    phase: state.phase,
    since: new Date(since).toISOString(),
    ...(state.phase === 'ready' && { model: basename(state.info.model), executionProvider: state.info.executionProvider }),
    ...('error' in state && { error: (state.error as { code?: string }).code ?? 'EINTERNAL' }),
    restarts,
    memoryBytes,
    streams: streams.map(({ name, stats }) => streamReport(name, stats)),
  };
}

export function streamReport(stream: string, stats: StreamStats): StreamReport {
  const { fps, latencyMs, lastFrameAgeMs } = stats;
  return {
    stream,
    ...stats,
    fps: tenths(fps),
    latencyMs: Math.round(latencyMs),
    lastFrameAgeMs: lastFrameAgeMs === null ? null : Math.round(lastFrameAgeMs),
  };
}

const tenths = (value: number): number => Math.round(value * 10) / 10;
