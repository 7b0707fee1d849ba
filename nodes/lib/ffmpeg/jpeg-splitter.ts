import { START_OF_SCAN, endOfScan, nextSegment } from '../../../engine/image/jpeg-header';

/** The largest single JPEG; more bytes without an end are not a JPEG stream. */
const MAX_JPEG_BYTES = 32 * 1024 * 1024;
const START = Buffer.from([0xff, 0xd8]);

/**
 * Splits a stream of concatenated JPEG files. It walks the segments by their lengths, since their contents may look like an end
 * marker; a truncated file is left out and the next one found.
 */
export class JpegSplitter {
  private pending: Buffer = Buffer.alloc(0);
  /** How far the file that begins at byte 0 has been walked; 0 if none has begun. */
  private walked = 0;
  private isInScan = false;

  /** Takes the next bytes of the stream and returns the files that they complete, oldest first. */
  push(chunk: Buffer): Buffer[] {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    const files: Buffer[] = [];
    for (;;) {
      if (this.walked === 0 && !this.begin(0)) return files;
      const end = this.walk();
      if (end === 'more') {
        if (this.pending.length > MAX_JPEG_BYTES) this.drop(this.pending.length);
        return files;
      }
      if (end < 0) {
        if (!this.begin(-end)) return files;
        continue;
      }
      files.push(this.pending.subarray(0, end));
      this.drop(end);
    }
  }

  /** Finds the start of a file from byte `from` on, and drops the bytes before it. */
  private begin(from: number): boolean {
    const start = this.pending.indexOf(START, from);
    this.drop(start < 0 ? Math.max(from, this.pending.length - 1) : start);
    if (start >= 0) this.walked = START.length;
    return start >= 0;
  }

  private drop(bytes: number): void {
    this.pending = this.pending.subarray(bytes);
    this.walked = 0;
    this.isInScan = false;
  }

  /** Walks on. @returns the end of the file (exclusive), the position where it is truncated as a negative number, or `more` */
  private walk(): number | 'more' {
    for (;;) {
      if (this.isInScan) {
        const end = endOfScan(this.pending, this.walked);
        this.walked = end < 0 ? this.withoutHalfMarker() : end;
        if (end < 0) return 'more';
        this.isInScan = false;
      }
      const step = nextSegment(this.pending, this.walked);
      if (step.kind === 'end') return step.at;
      if (step.kind === 'broken') return -step.at;
      if (step.kind === 'more' || step.end > this.pending.length) return 'more';
      this.walked = step.end;
      this.isInScan = step.marker === START_OF_SCAN;
    }
  }

  /** How far scan data has been searched for certain: its last bytes may be the beginning of a marker. */
  private withoutHalfMarker(): number {
    let end = this.pending.length;
    while (end > this.walked && this.pending[end - 1] === 0xff) end--;
    return end;
  }
}
