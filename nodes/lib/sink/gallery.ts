import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { jpegSize } from '../../../engine/image/jpeg-header';
import { SerialQueue } from '../../../engine/util/serial-queue';
import { lackOfRoom } from '../common/disk-room';

const DAY_MS = 86_400_000;
const LOOK_MS = 60_000;
/** All of them together; before that the oldest go. */
const MOST_BYTES = 1_000_000_000;
/** `WHEN-ID.jpg`: ms since 1970, and 128 bits that nobody guesses. */
const FILE = /^(\d{1,15})-([\w-]{22})\.jpg$/;
const UNFINISHED = /\.new$/;

export interface GalleryLimits {
  /** After so many days a picture is deleted. */
  days: number;
  /** Pictures; above that the oldest go. */
  most: number;
  /** No picture is added when the disk has less room than that, bytes. */
  minFree: number;
  /** All pictures together, bytes. */
  bytes?: number;
}

/** A picture of a gallery, as pages hear of it. */
export interface GalleryPicture {
  /** Its name in addresses, which nobody guesses. */
  id: string;
  /** When it was taken, ms since 1970. */
  at: number;
  /** So long it is kept from now on, ms. */
  left: number;
}

interface Kept {
  id: string;
  at: number;
  file: string;
  bytes: number;
  /** By the clock on the wall when it became known here, and since when by one that nobody sets, ms. */
  age: number;
  since: number;
}

/** How time goes by; for tests. */
export interface Clocks {
  /** ms since 1970. */
  wall(): number;
  /** ms since any moment; nobody sets it. */
  steady(): number;
}

const CLOCKS: Clocks = { wall: () => Date.now(), steady: () => performance.now() };

/**
 * The snapshots of a sink that visitors take home: a bounded number for a bounded time, in a folder of its own. How old a picture is counts by the
 * clock on the wall from its file's name when it is read, and from then on by a clock that nobody sets: a wall clock that is put right until
 * the next deploy deletes nothing, and one that is behind keeps a picture longer at most.
 */
export class Gallery {
  /** Oldest first. */
  private kept: Kept[] = [];
  private readonly queue = new SerialQueue();
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** @param onProblem told when pictures cannot be read or deleted */
  constructor(
    private readonly folder: string,
    private readonly limits: GalleryLimits,
    private readonly onProblem: (error: EngineError) => void,
    private readonly clocks = CLOCKS,
  ) {}

  /** Reads what was kept, and deletes what is too old by now. */
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

  /** Resolves when it knows what there is, and nothing is being written. */
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

  /** The picture's JPEG; undefined where there is none of this name. */
  async read(id: string): Promise<Buffer | undefined> {
    const picture = this.find(id) && this.kept.find((each) => each.id === id);
    return picture && readFile(picture.file).catch(() => undefined);
  }

  /** Adds a picture; resolves to its name. Rejects with EDISK, EBADFRAME. */
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
        // Half a picture is worse than none.
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

  /** Resolves when nothing is being written any more. The pictures stay. */
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

  /** Deletes what is too old or too much. */
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
