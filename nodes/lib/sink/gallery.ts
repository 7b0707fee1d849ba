import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { jpegSize } from '../../../engine/image/jpeg-header';
import { SerialQueue } from '../../../engine/util/serial-queue';
import { lackOfRoom } from '../common/disk-room';

const DAY_MS = 86_400_000;
const LOOK_MS = 60_000;
/** The most bytes of all pictures together; the oldest are deleted first. */
const MOST_BYTES = 1_000_000_000;
/** `WHEN-ID.jpg`: ms since 1970, and 128 random bits. */
const FILE = /^(\d{1,15})-([\w-]{22})\.jpg$/;
const UNFINISHED = /\.new$/;

export interface GalleryLimits {
  /** A picture is deleted after this many days. */
  days: number;
  /** The most pictures; the oldest are deleted first. */
  most: number;
  /** No picture is added when the disk has less free space than this, bytes. */
  minFree: number;
  /** The most bytes of all pictures together. */
  bytes?: number;
}

/** A picture of a gallery, for pages. */
export interface GalleryPicture {
  /** Its random id in addresses. */
  id: string;
  /** When it was taken, ms since 1970. */
  at: number;
  /** How long it will still be kept, ms. */
  left: number;
}

interface Kept {
  id: string;
  at: number;
  file: string;
  bytes: number;
  /** Its age by the wall clock when it was read or added, and that moment on the monotonic clock, ms. */
  age: number;
  since: number;
}

/** The clocks, which tests replace. */
export interface Clocks {
  /** ms since 1970. */
  wall(): number;
  /** A monotonic clock, ms. */
  steady(): number;
}

const CLOCKS: Clocks = { wall: () => Date.now(), steady: () => performance.now() };

/**
 * The snapshots of a sink for its visitors: a limited number for a limited time, in a folder of their own. A picture's age is
 * computed by the wall clock from its file's name when it is read, and from then on by a monotonic clock: correcting the wall
 * clock deletes nothing until the next deploy, and a clock that is slow at worst keeps a picture longer.
 */
export class Gallery {
  /** Oldest first. */
  private kept: Kept[] = [];
  private readonly queue = new SerialQueue();
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** @param onProblem called when pictures cannot be read or deleted */
  constructor(
    private readonly folder: string,
    private readonly limits: GalleryLimits,
    private readonly onProblem: (error: EngineError) => void,
    private readonly clocks = CLOCKS,
  ) {}

  /** Reads the folder, and deletes pictures that are too old. */
  load(): Promise<void> {
    return this.queue.run(async () => {
      try {
        const files = await readdir(this.folder, { withFileTypes: true });
        const names = files.filter((file) => file.isFile()).map(({ name }) => name);
        for (const name of names.filter((each) => UNFINISHED.test(each))) await rm(join(this.folder, name), { force: true });
        const known = new Set(this.kept.map(({ id }) => id));
        for (const name of names) await this.know(name, known);
        this.kept.sort((a, b) => a.at - b.at);
        await this.tidy();
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
        this.onProblem(EngineError.from(thrown, 'EDISK', `the gallery ${this.folder} cannot be read: `));
      }
    });
  }

  /** Resolves when the folder has been read and nothing is being written. */
  ready(): Promise<void> {
    return this.queue.idle();
  }

  /** All pictures, the newest first. */
  get list(): GalleryPicture[] {
    const now = this.clocks.steady();
    const limit = this.limits.days * DAY_MS;
    return this.kept
      .map((picture) => ({ id: picture.id, at: picture.at, left: Math.round(limit - ageOf(picture, now)) }))
      .filter(({ left }) => left > 0)
      .reverse();
  }

  find(id: string): GalleryPicture | undefined {
    return this.list.find((picture) => picture.id === id);
  }

  /** A picture's JPEG; undefined where there is none with this id. */
  async read(id: string): Promise<Buffer | undefined> {
    const picture = this.find(id) && this.kept.find((each) => each.id === id);
    return picture && readFile(picture.file).catch(() => undefined);
  }

  /** Adds a picture; resolves to its id. Rejects with EDISK, EBADFRAME. */
  add(jpeg: Buffer): Promise<string> {
    return this.queue.run(async () => {
      if (!jpegSize(jpeg)) throw new EngineError('EBADFRAME', 'the gallery takes JPEG');
      const id = randomBytes(16).toString('base64url');
      const at = this.clocks.wall();
      const file = join(this.folder, `${at}-${id}.jpg`);
      try {
        await mkdir(this.folder, { recursive: true });
        const problem = await lackOfRoom(this.folder, this.limits.minFree);
        if (problem) throw new Error(problem);
        // The file is renamed when it is complete, so that there is never half a picture.
        await writeFile(`${file}.new`, jpeg);
        await rename(`${file}.new`, file);
      } catch (thrown) {
        await rm(`${file}.new`, { force: true }).catch(() => undefined);
        throw EngineError.from(thrown, 'EDISK', 'the picture cannot be added to the gallery: ');
      }
      this.kept.push({ id, at, file, bytes: jpeg.length, age: 0, since: this.clocks.steady() });
      await this.tidy();
      return id;
    });
  }

  /** Deletes a picture. @returns whether there was one */
  remove(id: string): Promise<boolean> {
    return this.queue.run(async () => {
      const picture = this.kept.find((each) => each.id === id);
      if (picture) await this.drop(picture);
      return picture !== undefined;
    });
  }

  /** Resolves when nothing is being written any more. The pictures are kept. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.timer);
    await this.ready();
  }

  private async know(name: string, known: Set<string>): Promise<void> {
    const [, time, id] = FILE.exec(name) ?? [];
    if (id === undefined || known.has(id)) return;
    const file = join(this.folder, name);
    const at = Number(time);
    const { size } = await stat(file);
    this.kept.push({ id, at, file, bytes: size, age: Math.max(0, this.clocks.wall() - at), since: this.clocks.steady() });
  }

  /** Deletes pictures that are too old or too many. */
  private async tidy(): Promise<void> {
    const { days, most, bytes: mostBytes = MOST_BYTES } = this.limits;
    const now = this.clocks.steady();
    let bytes = this.kept.reduce((sum, picture) => sum + picture.bytes, 0);
    let count = this.kept.length;
    for (const picture of [...this.kept]) {
      if (ageOf(picture, now) < days * DAY_MS && count <= most && bytes <= mostBytes) continue;
      bytes -= picture.bytes;
      count--;
      await this.drop(picture);
    }
    if (this.kept.length > 0 && !this.isClosed) this.timer ??= setInterval(() => void this.queue.run(() => this.tidy()), LOOK_MS).unref();
  }

  private async drop(picture: Kept): Promise<void> {
    this.kept = this.kept.filter((each) => each !== picture);
    await rm(picture.file, { force: true }).catch((thrown) => {
      this.onProblem(EngineError.from(thrown, 'EDISK', `a picture of the gallery ${this.folder} cannot be deleted: `));
    });
  }
}

const ageOf = ({ age, since }: Kept, now: number): number => age + now - since;
