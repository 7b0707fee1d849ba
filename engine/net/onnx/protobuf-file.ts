import type { FileHandle } from 'node:fs/promises';
import { EngineError } from '../../errors';
import { printable } from '../../util/quote';

/**
 * Limits on the work that a file can cause, so that a malicious one (or one full of zeros, as broken downloads are) exhausts
 * neither memory nor time. Nets of SDXL have a hundredth of these fields, and 20 MB of graph without weights.
 */
const MOST_FIELDS = 4_000_000;
const MOST_TEXT = 1024;
const MOST_TEXTS = 2 ** 26;
const MOST_COPIED = 2 ** 29;

/** One protobuf field: a number, or the bytes from `start` to `end` of the file. Its key begins at `head`. */
export interface Field {
  number: number;
  value: number;
  head: number;
  start: number;
  end: number;
}

/** Walks protobuf messages in a file through a small window: a weight that is skipped is not read. */
export class ProtobufFile {
  private window = Buffer.alloc(0);
  private windowStart = 0;
  private fieldsRead = 0;
  private textRead = 0;
  private copied = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly path: string,
  ) {}

  /** The fields of the message from `start` to `end`. */
  async *fields(start: number, end: number): AsyncGenerator<Field> {
    let at = start;
    while (at < end) {
      const key = await this.varint(at, end);
      const [number, wireType] = [Math.floor(key.value / 8), key.value % 8];
      const field: Field = { number, value: 0, head: at, start: key.next, end: key.next };
      at = key.next;
      if (wireType === 0) {
        const { value, next } = await this.varint(at, end);
        [field.value, field.end] = [value, next];
      } else if (wireType === 2) {
        const { value: length, next } = await this.varint(at, end);
        [field.start, field.end] = [next, next + length];
      } else if (wireType === 1 || wireType === 5) {
        field.end = at + (wireType === 1 ? 8 : 4);
      } else {
        throw this.damaged(`byte ${at} makes no sense`);
      }
      if (field.end > end) throw this.damaged(`something in it goes beyond byte ${end}, where it ends`);
      // Field numbers begin at 1; a run of zeros would otherwise be read as very many fields.
      if (number === 0) throw this.damaged(`byte ${field.head} makes no sense`);
      if (++this.fieldsRead > MOST_FIELDS) throw this.damaged(`it has more than ${MOST_FIELDS} parts`);
      yield field;
      at = field.end;
    }
  }

  /** A name or other text, of at most {@link MOST_TEXT} bytes; all texts of a file together, {@link MOST_TEXTS}. */
  async text(start: number, end: number): Promise<string> {
    this.textRead += end - start;
    if (end - start > MOST_TEXT || this.textRead > MOST_TEXTS) throw this.damaged(`it has names of ${this.textRead} bytes`);
    return (await this.bytes(start, end - start)).toString('utf8');
  }

  /** The bytes from `start` to `end`, copied; all copies of a file together, {@link MOST_COPIED}. */
  async copy(start: number, end: number): Promise<Buffer> {
    this.copied += end - start;
    if (this.copied > MOST_COPIED) {
      throw new EngineError(
        'EBADMODEL',
        `${printable(this.path, 1000)} keeps more than ${MOST_COPIED / 2 ** 20} MB of values where only its structure should be; export it again, with its weights in a file of their own`,
      );
    }
    return Buffer.from(await this.bytes(start, end - start));
  }

  /** A message of two texts, key and value. */
  async entry({ start, end }: Field): Promise<[key: string, value: string]> {
    const entry: [string, string] = ['', ''];
    for await (const field of this.fields(start, end))
      if (field.number === 1 || field.number === 2) entry[field.number - 1] = await this.text(field.start, field.end);
    return entry;
  }

  /** Seven bits per byte, lowest first; the highest bit says that more follow. */
  private async varint(at: number, end: number): Promise<{ value: number; next: number }> {
    const bytes = await this.bytes(at, Math.min(10, end - at));
    let value = 0;
    for (let i = 0; i < bytes.length; i++) {
      value += (bytes[i] & 0x7f) * 2 ** (7 * i);
      if (bytes[i] < 0x80) return { value, next: at + i + 1 };
    }
    throw this.damaged(`it ends in the middle of a number, at byte ${end}`);
  }

  /** A view of the window. */
  private async bytes(start: number, length: number): Promise<Buffer> {
    const offset = start - this.windowStart;
    if (offset >= 0 && offset + length <= this.window.length) return this.window.subarray(offset, offset + length);
    const buffer = Buffer.alloc(Math.max(length, 4096));
    const { bytesRead } = await this.file.read(buffer, 0, buffer.length, start);
    [this.window, this.windowStart] = [buffer.subarray(0, bytesRead), start];
    return this.window.subarray(0, length);
  }

  damaged(how: string): EngineError {
    return new EngineError('EBADMODEL', `${printable(this.path, 1000)} is torn, damaged or not an ONNX file (${how}); download it again`);
  }
}
