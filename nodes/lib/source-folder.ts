import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { EngineError } from '../../engine/errors';
import { fileToJpeg } from './jpeg';
import { Pacer } from './source-pacer';
import { JPEG_QUALITY, type FrameFormat, type Producer, type ProducerEvents } from './source-producer';

const EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.webp', '.avif', '.gif', '.tif', '.tiff']);
const RETRY_MS = 5000;
const byName = new Intl.Collator('en', { numeric: true });

export interface FolderOptions extends Pick<FrameFormat, 'width' | 'height'> {
  folder: string;
  /** Milliseconds from picture to picture. */
  intervalMs: number;
  /** Begin again after the last picture; otherwise that one is the end. */
  loop: boolean;
}

/**
 * The pictures of a folder, one after the other, sorted by name as people count (2 before 10).
 * The folder is read anew for every round, so pictures may come and go.
 */
export class FolderProducer implements Producer {
  private readonly pacer: Pacer;
  private stopped = false;
  private round: string[] = [];
  private started = false;
  private retryAt = 0;
  /** Pictures that could not be read: each is told once, not in every round. */
  private readonly unreadable = new Set<string>();

  constructor(
    private readonly options: FolderOptions,
    private readonly events: ProducerEvents,
  ) {
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
      if (this.round.length === 0) {
        if (this.started && !this.options.loop) return this.end();
        this.round = await listPictures(this.options.folder);
        this.started = true;
      }
      filename = join(this.options.folder, this.round.shift() ?? '');
      const jpeg = await fileToJpeg(filename, this.options.width, this.options.height, JPEG_QUALITY);
      this.unreadable.delete(filename);
      if (!this.stopped) this.events.frame(jpeg, { filename });
    } catch (thrown) {
      if (this.stopped) return;
      this.onFailure(EngineError.from(thrown, 'ESOURCE'), filename, elapsedMs);
    }
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

  private end(): void {
    void this.stop();
    this.events.ended();
  }
}

async function listPictures(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
    const reason = thrown.code === 'ENOENT' ? 'there is no such folder' : thrown.message;
    throw new EngineError('ESOURCE', `the picture folder ${folder} cannot be read: ${reason}`, { cause: thrown });
  });
  const pictures = names.filter((name) => EXTENSIONS.has(extname(name).toLowerCase())).sort(byName.compare);
  if (pictures.length === 0) {
    throw new EngineError('ESOURCE', `the picture folder ${folder} holds no picture; known are ${[...EXTENSIONS].join(' ')}`);
  }
  return pictures;
}
