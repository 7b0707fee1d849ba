import type { Picture } from '../../image/picture';
import type { Int8Wish } from '../../net/ort/arithmetic-kinds';
import type { PromptSpec } from '../../prompt/request';
import type { EngineInfo, ServerOptions, StreamOptions } from '../../types';
import type { RestartTimes } from '../client/restarts';

/** The settings of a host; users with the same settings share one host process. */
export interface HostSettings {
  model: string;
  executionProviders?: string[];
  intraOpNumThreads?: number;
  int8?: Int8Wish;
  /** The nets that run on an inference server instead of in the host. */
  server?: ServerOptions;
  /** The paths of adapters, by name. */
  adapters?: Record<string, string>;
  /** A folder whose autoencoder replaces the model's. */
  autoencoder?: string;
  /** A process with a pending request that sends nothing for this long is replaced, ms. Default 30,000; while it loads, ten minutes. */
  silenceLimit?: number;
  /** A process with a pending request none of whose nets finishes a run for this long is replaced, ms. Default 120,000. */
  stallLimit?: number;
  /** A process that takes more resident memory than this is replaced, bytes. Default: three quarters of the machine's. */
  memoryLimit?: number;
  /** The delays before a process that ended is started again. Default: 0.25 s, growing to 30 s. */
  restarts?: Partial<RestartTimes>;
}

export type PictureFormat = 'jpeg' | 'png' | 'raw';

/** The settings of a stream, as the denoiser node makes them. */
export interface StreamSettings extends StreamOptions {
  format?: PictureFormat;
  /** JPEG quality 1..100. Default 85. */
  quality?: number;
}

/** Live parameters, `msg.params`. */
export type LiveParams = Partial<StreamSettings>;

/** One frame on its way in. `picture` is needed for img2img only. */
export interface FrameRequest {
  picture?: Picture;
  /** Further pictures of the frame, by the names of the adapters that use them. */
  pictures?: Record<string, Picture>;
  /** The prompts of this frame. Default: the stream's newest conditioning. */
  conditioning?: PromptSpec;
  /** All settings of this frame. Default: the stream's at the time of `submit`. */
  settings?: StreamSettings;
}

export interface FinishedFrame {
  outcome: 'finished';
  /** Encoded picture, or interleaved RGB bytes when the format is raw. */
  data: Uint8Array;
  format: PictureFormat;
  width: number;
  height: number;
  /** The time from `submit` to the finished picture, ms. */
  latencyMs: number;
  /** The seed that was drawn for this frame, where the setting is -1. */
  seed?: number;
}

/** `dropped`: a newer frame replaced it before its turn, or the stream was reset. */
export type FrameResult = FinishedFrame | { outcome: 'dropped' };

/** Counters of one stream since it was opened. `in = out + dropped + failed + inFlight`. */
export interface StreamCounters {
  in: number;
  out: number;
  dropped: number;
  failed: number;
  inFlight: number;
}

export interface StreamStats extends StreamCounters {
  /** Finished frames per second over the last two seconds. */
  fps: number;
  /** Median latency of the frames of the last two seconds, ms. */
  latencyMs: number;
  /** The time since the last finished frame, ms; null before the first. */
  lastFrameAgeMs: number | null;
}

/** The state of a host. Every change is emitted as 'state'. */
export type HostState =
  | { phase: 'starting' }
  | { phase: 'loading'; net: string; loadedBytes: number; totalBytes: number }
  | { phase: 'ready'; info: EngineInfo; warnings: string[] }
  | { phase: 'restarting'; error: Error; attempt: number; delayMs: number }
  | { phase: 'failed'; error: Error }
  | { phase: 'stopped' };

/** The state of a host and its streams, for monitoring. */
export interface HostReport {
  state: HostState;
  /** When the current phase began, ms since 1970. */
  since: number;
  /** The number of processes that ended unexpectedly. */
  restarts: number;
  /** Resident memory of the process, bytes; 0 while there is none. */
  memoryBytes: number;
  streams: { name: string; stats: StreamStats }[];
}

export type { BlendMethod, PromptSpec, Transition, TransitionMethod, WeightedText } from '../../prompt/request';
