import { join } from 'node:path';
import { EngineError } from '../../engine/errors';
import { FolderWatch, PICTURE_EXTENSIONS } from './folder-watch';
import { fileToJpeg } from './jpeg';
import { Pacer } from './source-pacer';
import { JPEG_QUALITY, type FrameFormat, type Producer, type ProducerEvents } from './source-producer';

const RETRY_MS = 5000;
const LOOK_MS = 500;
/** However large the folder is, looking at it takes at most this share of the time. */
const LOOK_SHARE = 0.05;

export interface FolderOptions extends Pick<FrameFormat, 'width' | 'height'> {
  folder: string;
  /** Milliseconds from picture to picture. */
  intervalMs: number;
  /** Begin again after the last picture; otherwise that one is the end. */
  loop: boolean;
  /** Only pictures that come while it runs, in the order in which they come. */
  onlyNew: boolean;
}

/** The pictures of a folder, one after the other, sorted by name; one that is added comes next. */
export class FolderProducer implements Producer {
  private readonly pacer: Pacer;
  private readonly watch: FolderWatch;
  private stopped = false;
  private names: string[] = [];
  private readonly shown = new Set<string>();
  private arrived: string[] = [];
  private lookAt = 0;
  private retryAt = 0;
  private waiting = false;
  /** Pictures that could not be read: each is told once, not in every round. */
  private readonly unreadable = new Set<string>();

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
    let filename = '';
    try {
      await this.look(elapsedMs);
      const name = this.next();
      if (this.stopped || name === undefined) return;
      filename = join(this.options.folder, name);
      const jpeg = await fileToJpeg(filename, this.options.width, this.options.height, JPEG_QUALITY);
      this.unreadable.delete(filename);
      if (!this.stopped) this.events.frame(jpeg, { filename });
    } catch (thrown) {
      if (this.stopped) return;
      this.onFailure(EngineError.from(thrown, 'ESOURCE'), filename, elapsedMs);
    }
  }

  private async look(elapsedMs: number): Promise<void> {
    if (elapsedMs < this.lookAt) return;
    const began = performance.now();
    const { names, arrived } = await this.watch.look();
    this.lookAt = elapsedMs + Math.max(LOOK_MS, (performance.now() - began) / LOOK_SHARE);
    this.names = names;
    this.arrived = [...this.arrived.filter((name) => !arrived.includes(name)), ...arrived];
  }

  /** The name of the next picture; undefined when there is none at the moment, or none any more. */
  private next(): string | undefined {
    const { onlyNew, loop, folder } = this.options;
    const next = this.arrived.shift() ?? (onlyNew ? undefined : this.names.find((name) => !this.shown.has(name)));
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
    if (this.names.length === 0) {
      throw new EngineError('ESOURCE', `the picture folder ${folder} holds no picture; known are ${PICTURE_EXTENSIONS.join(' ')}`);
    }
    return this.next();
  }

  /** One unreadable picture does not hold up the others; a folder that cannot be listed is asked again in a while. */
  private onFailure(error: EngineError, filename: string, elapsedMs: number): void {
    if (error.code === 'EBADFRAME') {
      if (!this.unreadable.has(filename)) this.events.failed(error, this.options.intervalMs);
      this.unreadable.add(filename);
      return;
    }
    const retryMs = Math.max(RETRY_MS, this.options.intervalMs);
    this.retryAt = elapsedMs + retryMs;
    this.events.failed(error, retryMs);
  }

  private end(): undefined {
    void this.stop();
    this.events.ended();
  }
}
