import { EngineError, type ErrorCode } from '../../../engine/errors';
import type { PullProgress } from '../../../engine/hub/progress';
import type { PullOptions, PullResult } from '../../../engine/hub/pull';
import { checkRepository } from '../../../engine/hub/repository';
import type { HubSettings } from '../../../engine/hub/settings';

/** A download as the editor sees it: plain JSON, without anything secret. */
export interface DownloadState {
  repository: string;
  state: 'running' | 'done' | 'failed' | 'cancelled';
  /** Undefined until the list of files is there. */
  progress?: PullProgress;
  /** Why it is being tried again, while it is. */
  retrying?: string;
  /** Where the model lies, once it is done. */
  folder?: string;
  /** Once it is done: bytes that came over the network. */
  downloadedBytes?: number;
  /** Why it failed. */
  error?: { code: ErrorCode; message: string };
}

export type Pull = (options: PullOptions) => Promise<PullResult>;

interface Download {
  state: DownloadState;
  readonly cancelled: AbortController;
}

/** More at once only share the line. */
const MAX_RUNNING = 3;
/** Ended ones that the dialog can still tell about. */
const MAX_ENDED = 10;

/** The downloads of one Node-RED, by repository. They go on when the dialog that began them is closed. */
export class ModelDownloads {
  private readonly downloads = new Map<string, Download>();

  /** @param onEnd told about each one that is over, unless somebody cancelled it */
  constructor(
    private readonly pull: Pull,
    private readonly onEnd: (state: DownloadState) => void,
  ) {}

  get states(): DownloadState[] {
    return [...this.downloads.values()].map(({ state }) => state);
  }

  /**
   * Begins to download a repository; one that is under way already goes on.
   * @throws EBADPARAM for a name that is none, or when enough are under way
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

  /** Ends a download that is under way, and forgets one that is over. What has arrived stays for the next try. */
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
