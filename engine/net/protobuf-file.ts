import type { FileHandle } from 'node:fs/promises';
import { EngineError } from '../errors';

/** One protobuf field: a number, or the bytes from `start` to `end` of the file; with its key it begins at `head`. */
export interface Field {
  number: number;
  value: number;
  head: number;
  start: number;
  end: number;
}

/** Walks protobuf messages in a file through a small window, so that skipping a weight reads nothing of it. */
export class ProtobufFile {
  private window = Buffer.alloc(0);
  private windowStart = 0;

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
      yield field;
      at = field.end;
    }
  }

  async text(start: number, end: number): Promise<string> {
    return (await this.bytes(start, end - start)).toString('utf8');
  }

  /** The bytes from `start` to `end`. */
  async copy(start: number, end: number): Promise<Buffer> {
    return Buffer.from(await this.bytes(start, end - start));
  }

  /** All fields of a message of texts. */
  async texts({ start, end }: Field): Promise<string[]> {
    const texts: string[] = [];
    for await (const field of this.fields(start, end)) texts.push(await this.text(field.start, field.end));
    return texts;
  }

  /** Seven bits a byte, lowest first; the highest bit says that more follow. */
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
    return new EngineError('EBADMODEL', `${this.path} is torn, damaged or no ONNX file (${how}); download it again`);
  }
}
