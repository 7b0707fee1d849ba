import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, parse } from 'node:path';
import { EngineError } from '../../engine/errors';
import { onDisk } from '../../engine/hub/disk';
import { decode, encode } from '../../engine/image/codec';
import { toPicture } from '../../engine/image/picture';
import type { RawImage } from '../../engine/types';
import type { Frame, FrameSink, FrameSource } from './frames';

export const PICTURE_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.avif', '.gif', '.tif', '.tiff'];
export type PictureFormat = 'png' | 'jpeg';

const JPEG_QUALITY = 92;
const byName = new Intl.Collator('en', { numeric: true });

/** Picture files, one after the other. While one is rendered, the next one is decoded. */
export class PictureSource implements FrameSource {
  readonly count: number;

  private constructor(private readonly files: string[]) {
    this.count = files.length;
  }

  static ofFile(path: string): PictureSource {
    return new PictureSource([path]);
  }

  /** The pictures of a folder in natural order (2 before 10). Rejects with ESOURCE when it holds none. */
  static async ofFolder(folder: string): Promise<PictureSource> {
    const names = await readdir(folder);
    const pictures = names.filter((name) => PICTURE_EXTENSIONS.includes(extname(name).toLowerCase())).sort(byName.compare);
    if (pictures.length > 0) return new PictureSource(pictures.map((name) => join(folder, name)));
    throw new EngineError('ESOURCE', `${folder} holds no picture; supported are ${PICTURE_EXTENSIONS.join(' ')}`);
  }

  async *frames(width: number, height: number): AsyncGenerator<Frame> {
    const [first, ...others] = this.files;
    let next = read(first, width, height);
    for (const path of others) {
      const frame = await next;
      next = read(path, width, height);
      yield frame;
    }
    yield next;
  }
}

/** A folder of picture files with the names of their frames. */
export class PictureSink implements FrameSink {
  private readonly used = new Set<string>();

  constructor(
    private readonly folder: string,
    private readonly format: PictureFormat,
  ) {}

  async write(name: string, image: RawImage): Promise<void> {
    const extension = this.format === 'jpeg' ? '.jpg' : '.png';
    // If a folder has sun.png and sun.jpg, they become sun.png and sun.jpg.png.
    const short = parse(name).name + extension;
    const file = this.used.has(short) ? name + extension : short;
    this.used.add(file);
    await writePicture(join(this.folder, file), image, this.format);
  }

  async finish(): Promise<void> {}

  /** The existing pictures are complete, so nothing is removed. */
  async abandon(): Promise<void> {}
}

/** One picture file. */
export class PictureFileSink implements FrameSink {
  constructor(private readonly path: string) {}

  write(_name: string, image: RawImage): Promise<void> {
    return writePicture(this.path, image, extname(this.path).toLowerCase() === '.png' ? 'png' : 'jpeg');
  }

  async finish(): Promise<void> {}

  async abandon(): Promise<void> {}
}

async function writePicture(path: string, image: RawImage, format: PictureFormat): Promise<void> {
  const file = await encode(image, format, JPEG_QUALITY);
  await onDisk(async () => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file);
  });
}

/** Reads a picture, or returns its error. Never rejects. */
async function read(path: string, width: number, height: number): Promise<Frame> {
  const name = basename(path);
  try {
    return { name, image: await decode(toPicture(await readFile(path)), width, height) };
  } catch (thrown) {
    return { name, error: EngineError.from(thrown, 'EBADFRAME') };
  }
}
