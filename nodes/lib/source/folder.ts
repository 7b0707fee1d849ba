import { join } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { placed } from '../../../engine/util/place';
import { FolderWatch, PICTURE_EXTENSIONS } from './folder-watch';
import { fileToJpeg } from '../common/jpeg';
import { Pacer } from './pacer';
import { JPEG_QUALITY, type FrameFormat, type Producer, type ProducerEvents } from '../common/producer';

const RETRY_MS = 5000;
/** Unreadable pictures are skipped within one beat; at most this many are tried. */
const MAX_TRIES = 16;
const SCAN_MS = 500;
/** Scanning the folder takes at most this share of the time, however large it is. */
const SCAN_SHARE = 0.05;

export interface FolderOptions extends Pick<FrameFormat, 'width' | 'height'> {
  folder: string;
  /** The interval of pictures, ms. */
  intervalMs: number;
  /** Whether to start again after the last picture. */
  loop: boolean;
  /** Whether to show only pictures that are added while it runs, in that order. */
  onlyNew: boolean;
}

/** The pictures of a folder in order of name; one that is added is shown next. */
export class FolderProducer implements Producer {
  private readonly pacer: Pacer;
  private readonly watch: FolderWatch;
  private stopped = false;
  private names: string[] = [];
  private readonly shown = new Set<string>();
  private stamps: ReadonlyMap<string, string> = new Map();
  private arrived: string[] = [];
  private scanAt = 0;
  private retryAt = 0;
  private waiting = false;
  /** The stamps of unreadable pictures: each is reported once, and skipped until it is rewritten. */
  private readonly unreadable = new Map<string, string | undefined>();

  constructor(
    private readonly options: FolderOptions,
    private readonly events: ProducerEvents,
  ) {
    this.watch = new FolderWatch(options.folder);
    this.pacer = new Pacer(options.intervalMs, (elapsedMs) => this.showNext(elapsedMs));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.pacer.stop();
  }

  private async showNext(elapsedMs: number): Promise<void> {
    if (elapsedMs < this.retryAt) return;
    try {
      await this.scan(elapsedMs);
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const name = this.next();
        if (this.stopped || name === undefined || (await this.show(name))) return;
      }
    } catch (thrown) {
      if (!this.stopped) this.onFailure(EngineError.from(thrown, 'ESOURCE'), elapsedMs);
    }
  }

  /** Shows a picture. @returns whether it could be read */
  private async show(name: string): Promise<boolean> {
    const { folder, width, height, intervalMs } = this.options;
    const filename = join(folder, name);
    try {
      const jpeg = await fileToJpeg(filename, width, height, JPEG_QUALITY);
      this.unreadable.delete(name);
      if (!this.stopped) this.events.frame(jpeg, { filename });
      return true;
    } catch (thrown) {
      const error = EngineError.from(thrown, 'ESOURCE');
      if (error.code !== 'EBADFRAME') throw error;
      if (!this.stopped && !this.unreadable.has(name)) this.events.failed(error, intervalMs);
      this.unreadable.set(name, this.stamps.get(name));
      return false;
    }
  }

  private isUnreadable(name: string): boolean {
    return this.unreadable.has(name) && this.unreadable.get(name) === this.stamps.get(name);
  }

  private async scan(elapsedMs: number): Promise<void> {
    if (elapsedMs < this.scanAt) return;
    const began = performance.now();
    const { names, arrived, stamps } = await this.watch.scan();
    this.scanAt = elapsedMs + Math.max(SCAN_MS, (performance.now() - began) / SCAN_SHARE);
    this.names = names;
    this.stamps = stamps;
    for (const name of this.unreadable.keys()) if (!stamps.has(name)) this.unreadable.delete(name);
    const again = new Set(arrived);
    this.arrived = [...this.arrived.filter((name) => !again.has(name)), ...arrived];
  }

  /** The name of the next picture; undefined when there is none at the moment, or no more at all. */
  private next(): string | undefined {
    const { onlyNew, loop, folder } = this.options;
    const next =
      this.arrived.shift() ?? (onlyNew ? undefined : this.names.find((name) => !this.shown.has(name) && !this.isUnreadable(name)));
    if (next !== undefined) {
      if (!onlyNew) this.shown.add(next);
      this.waiting = false;
      return next;
    }
    if (onlyNew) {
      if (!this.waiting) this.events.waiting('picture');
      this.waiting = true;
      return undefined;
    }
    if (this.shown.size > 0 && !loop) return this.end();
    this.shown.clear();
    if (this.names.length > 0 && this.names.every((name) => this.isUnreadable(name))) {
      throw new EngineError('ESOURCE', `none of the ${this.names.length} pictures in the folder ${placed(folder)} can be read`);
    }
    if (this.names.length === 0) {
      throw new EngineError('ESOURCE', `the folder ${placed(folder)} holds no picture; supported are ${PICTURE_EXTENSIONS.join(' ')}`);
    }
    return this.next();
  }

  /** Reports a folder that cannot be listed, and tries again after a while. */
  private onFailure(error: EngineError, elapsedMs: number): void {
    const retryMs = Math.max(RETRY_MS, this.options.intervalMs);
    this.retryAt = elapsedMs + retryMs;
    this.events.failed(error, retryMs);
  }

  private end(): undefined {
    void this.stop();
    this.events.ended();
  }
}
