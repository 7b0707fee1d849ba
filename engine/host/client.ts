import { EventEmitter } from 'node:events';
import type { ConditioningRequest, FrameRequest, FrameResult, HostSettings, HostState, LiveParams, StreamSettings, StreamStats } from './messages';

export declare class HostStream {
  /** Settles once: finished, dropped, or rejected with an Error that has a `code`. Never blocks; the newest frame wins. */
  submit(frame: FrameRequest): Promise<FrameResult>;
  /** Live parameters for the frames to come. Rejects with EBADPARAM when they cannot work; the old ones then stay. */
  update(params: LiveParams): Promise<void>;
  /** The conditioning of frames that bring none of their own. */
  setConditioning(conditioning: ConditioningRequest): Promise<void>;
  /** Drops everything in flight; their submits settle as dropped. */
  reset(): Promise<void>;
  readonly stats: StreamStats;
  /** Rejects what is in flight with ECLOSED. */
  close(): Promise<void>;
}

/** The parent's side of one engine process. Restarts it after a crash and sets its streams up again. */
export declare class HostClient extends EventEmitter {
  readonly state: HostState;
  /** Does not wait for the host: what needs it waits inside. Rejects submits with EHOST while the host is down. */
  openStream(settings: StreamSettings): HostStream;
}

/** The host for these settings, started by its first user. Each acquire wants one release. */
export declare function acquireHost(settings: HostSettings): HostClient;

/** Takes one user off; the last one stops the process, after a grace period in which a redeploy can take it over. */
export declare function releaseHost(host: HostClient): Promise<void>;
