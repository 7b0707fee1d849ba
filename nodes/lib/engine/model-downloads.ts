import { EngineError, type ErrorCode } from '../../../engine/errors';
import type { PullProgress } from '../../../engine/hub/progress';
import type { PullOptions, PullResult } from '../../../engine/hub/pull';
import { checkRepository } from '../../../engine/hub/repository';
import type { HubSettings } from '../../../engine/hub/settings';

/** The state of a download for the editor: plain JSON, without secrets. */
export interface DownloadState {
  repository: string;
  state: 'running' | 'done' | 'failed' | 'cancelled';
  /** Undefined until the list of files has arrived. */
  progress?: PullProgress;
  /** Why it is being retried, while it is. */
  retrying?: string;
  /** The model's folder, once it is done. */
  folder?: string;
  /** The bytes that came over the network, once it is done. */
  downloadedBytes?: number;
  /** Why it failed. */
  error?: { code: ErrorCode; message: string };
}

export type Pull = (options: PullOptions) => Promise<PullResult>;

interface Download {
  state: DownloadState;
  readonly cancelled: AbortController;
}

/** The most downloads at a time; more would only share the line. */
const MAX_RUNNING = 3;
/** The number of ended downloads that the dialog can still show. */
const MAX_ENDED = 10;

/** The downloads of one Node-RED, by repository. They go on when their dialog is closed. */
export class ModelDownloads {
  private readonly downloads = new Map<string, Download>();

  /** @param onEnd called with each one that ended without being cancelled */
  constructor(
    private readonly pull: Pull,
    private readonly onEnd: (state: DownloadState) => void,
  ) {}

  get states(): DownloadState[] {
    return [...this.downloads.values()].map(({ state }) => state);
  }

  /**
   * Starts to download a repository, unless that is under way already.
   *
   * @throws EBADPARAM for an invalid name, or when too many are under way
   */
  start(repository: string, revision: string, settings: HubSettings): DownloadState {
    checkRepository(repository, revision);
    const known = this.downloads.get(repository);
    if (known?.state.state === 'running') return known.state;
    if (this.states.filter(({ state }) => state === 'running').length >= MAX_RUNNING) {
      throw new EngineError('EBADPARAM', `${MAX_RUNNING} downloads are under way; wait for one of them, or cancel it`);
    }
    const download: Download = { state: { repository, state: 'running' }, cancelled: new AbortController() };
    this.downloads.delete(repository);
    this.downloads.set(repository, download);
    this.forgetOldest();
    void this.run(download, { repository, revision, settings });
    return download.state;
  }

  /** Cancels a download that is under way, or forgets one that has ended. What has arrived is kept for the next try. */
  cancel(repository: string): void {
    const download = this.downloads.get(repository);
    if (download?.state.state === 'running') download.cancelled.abort();
    else this.downloads.delete(repository);
  }

  private async run(download: Download, options: PullOptions): Promise<void> {
    const change = (news: Partial<DownloadState>): void => {
      download.state = { ...download.state, ...news };
    };
    try {
      const { folder, downloadedBytes } = await this.pull({
        ...options,
        signal: download.cancelled.signal,
        onProgress: (progress) => change({ progress, retrying: undefined }),
        onRetry: (retrying) => change({ retrying }),
      });
      change({ state: 'done', folder, downloadedBytes, retrying: undefined });
    } catch (thrown) {
      const { code, message } = EngineError.from(thrown, 'EINTERNAL');
      const state = download.cancelled.signal.aborted ? 'cancelled' : 'failed';
      change({ state, error: { code, message }, retrying: undefined });
    }
    if (download.state.state !== 'cancelled') this.onEnd(download.state);
  }

  private forgetOldest(): void {
    const ended = this.states.filter(({ state }) => state !== 'running');
    for (const { repository } of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) this.downloads.delete(repository);
  }
}
