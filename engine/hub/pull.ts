import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { hasContent } from './checksum';
import { HubClient } from './client';
import { checkRoom } from './disk';
import { downloadFile, type Transfer } from './download';
import { withLock } from './lock';
import { type Manifest, readManifest, writeManifest } from './manifest';
import { ProgressMeter, type PullProgress } from './progress';
import { checkRepository, type Listing, listRepository, type RepositoryFile, resolvePath } from './repository';
import { checkCancelled, RETRY_POLICY, type RetryPolicy, type Retrying } from './retry';
import { selectFiles } from './selection';
import { type HubSettings, hubSettings } from './settings';
import { checkTarget, Staging } from './staging';

export interface PullOptions {
  /** OWNER/NAME on the hub. */
  repository: string;
  /** Branch, tag or commit. Default `main`. */
  revision?: string;
  /** The folder to create for the model. Default: OWNER/NAME in the folder of models. */
  to?: string;
  /** Called for every chunk that arrives, many times a second. */
  onProgress?: (progress: PullProgress) => void;
  /** Called when something failed and will be tried again, with the reason and the pause before that, ms. */
  onRetry?: (reason: string, pauseMs: number) => void;
  /** Ends the download; what has arrived is kept for the next one. */
  signal?: AbortSignal;
  settings?: HubSettings;
  retryPolicy?: Partial<RetryPolicy>;
}

export interface PullResult {
  folder: string;
  commit: string;
  /** The size of all files. */
  bytes: number;
  /** The part that came over the network this time. */
  downloadedBytes: number;
}

const PARALLEL_FILES = 3;

/**
 * Downloads a model from a Hugging Face repository: the files that the engine can use, each verified by its checksum. The
 * folder appears when it is complete. An interrupted download continues where it ended; a folder that exists already is
 * checked, and repaired or updated.
 *
 * Rejects with EBADPARAM (a name, or a folder with other files in it), ENOMODEL (no such repository, or nothing in it that
 * can be used), EDENIED, ENETWORK, EINTEGRITY, EDISK, ECLOSED (the signal).
 */
export async function pull(options: PullOptions): Promise<PullResult> {
  const { repository, revision = 'main' } = options;
  checkRepository(repository, revision);
  const settings = options.settings ?? hubSettings();
  const target = resolve(options.to ?? join(settings.modelsFolder, ...repository.split('/')));
  const present = await readManifest(target);
  await checkTarget(target, repository, present?.repository);

  const { signal, onRetry } = options;
  const retrying: Retrying = { policy: { ...RETRY_POLICY, ...options.retryPolicy }, signal, onRetry };
  const listing = await listRepository(new HubClient(settings, retrying), repository, revision, retrying);
  const files = selectFiles(listing);
  const staging = new Staging(target, listing.commit);
  return withLock(`${staging.folder}.lock`, target, () => new Pull(options, settings, retrying, listing, files, staging).run(present));
}

/** One pull, once it is known which files are needed. */
class Pull {
  private readonly totalBytes: number;

  constructor(
    private readonly options: PullOptions,
    private readonly settings: HubSettings,
    private readonly retrying: Retrying,
    private readonly listing: Listing,
    private readonly files: RepositoryFile[],
    private readonly staging: Staging,
  ) {
    this.totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async run(present: Manifest | undefined): Promise<PullResult> {
    await this.staging.recover();
    const { commit } = this.listing;
    const result = { folder: this.staging.target, commit, bytes: this.totalBytes };
    if (present?.commit === commit && (await this.isWhole())) {
      await rm(this.staging.folder, { recursive: true, force: true });
      return { ...result, downloadedBytes: 0 };
    }
    const folder = await this.staging.open();
    const missing = await this.collect();
    const downloadedBytes = await this.download(missing);
    await writeManifest(folder, this.listing, this.files);
    await this.staging.publish(this.files);
    return { ...result, downloadedBytes };
  }

  /** Whether the existing folder is complete and up to date. */
  private async isWhole(): Promise<boolean> {
    const meter = new ProgressMeter(this.totalBytes);
    for (const file of this.files) {
      if (!(await hasContent(join(this.staging.target, file.path), file, this.options.signal))) return false;
      meter.add(file.bytes);
      this.options.onProgress?.(meter.progress('checking'));
    }
    return true;
  }

  /** Takes the files that are on this machine already. Resolves to the rest. */
  private async collect(): Promise<RepositoryFile[]> {
    const { signal, onProgress } = this.options;
    const meter = new ProgressMeter(this.totalBytes);
    const missing: RepositoryFile[] = [];
    for (const file of this.files) {
      checkCancelled(signal);
      const isHere = (await this.staging.has(file, signal)) || (await this.takeLocal(file));
      if (!isHere) missing.push(file);
      else meter.add(file.bytes);
      if (isHere) onProgress?.(meter.progress('checking'));
    }
    return missing;
  }

  /** Takes a file from earlier tries for another commit, from the folder that is updated, or from the cache of Hugging Face's own tools. */
  private async takeLocal(file: RepositoryFile): Promise<boolean> {
    const cache = join(this.settings.cacheFolder, `models--${this.listing.repository.replace('/', '--')}`);
    const sources = [
      ...(await this.staging.elsewhere(file)),
      join(this.staging.target, file.path),
      join(cache, 'blobs', file.checksum.digest),
      join(cache, 'snapshots', this.listing.commit, file.path),
    ];
    for (const source of sources) if (await this.staging.takeFrom(source, file, this.options.signal)) return true;
    return false;
  }

  /** Resolves to the number of bytes that arrived. */
  private async download(missing: RepositoryFile[]): Promise<number> {
    const { signal, onProgress } = this.options;
    let needed = 0;
    for (const file of missing) needed += Math.max(0, file.bytes - (await this.staging.partBytes(file)));
    await checkRoom(this.staging.folder, needed);

    const meter = new ProgressMeter(this.totalBytes, this.totalBytes - needed);
    let downloadedBytes = 0;
    // The first file that fails ends the other downloads.
    const failed = new AbortController();
    const retrying = { ...this.retrying, signal: signal ? AbortSignal.any([signal, failed.signal]) : failed.signal };
    const transfer: Transfer = {
      ...retrying,
      client: new HubClient(this.settings, retrying),
      onBytes: (bytes) => {
        downloadedBytes += Math.max(0, bytes);
        meter.add(bytes);
        onProgress?.(meter.progress('downloading'));
      },
    };
    const queue = [...missing];
    const work = async (): Promise<void> => {
      for (let file = queue.shift(); file; file = queue.shift()) {
        await downloadFile(resolvePath(this.listing, file), this.staging, file, transfer);
      }
    };
    const workers = Array.from({ length: PARALLEL_FILES }, () => work());
    try {
      await Promise.all(workers);
    } finally {
      failed.abort();
      await Promise.allSettled(workers);
    }
    return downloadedBytes;
  }
}
