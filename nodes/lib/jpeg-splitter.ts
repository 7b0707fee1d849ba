/** The largest single JPEG that is waited for; more than that without an end is not a JPEG stream. */
const MAX_JPEG_BYTES = 32 * 1024 * 1024;

const START_OF_IMAGE = Buffer.from([0xff, 0xd8]);
const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);
const START_OF_SCAN = 0xda;

/**
 * Cuts a stream of JPEG files, one right behind the other, into files. It walks the header segments by their lengths,
 * since their contents may look like an end marker; in the scan data behind them nothing else can.
 */
export class JpegSplitter {
  private pending: Buffer = Buffer.alloc(0);

  /** Takes the next bytes of the stream and returns the files that they complete, oldest first. */
  push(chunk: Buffer): Buffer[] {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    const files: Buffer[] = [];
    for (;;) {
      const start = this.pending.indexOf(START_OF_IMAGE);
      if (start < 0) {
        this.pending = this.pending.subarray(-1);
        return files;
      }
      this.pending = this.pending.subarray(start);
      const end = endOfJpeg(this.pending);
      if (end < 0) {
        if (this.pending.length > MAX_JPEG_BYTES) this.pending = Buffer.alloc(0);
        return files;
      }
      files.push(this.pending.subarray(0, end));
      this.pending = this.pending.subarray(end);
    }
  }
}

/** Where the JPEG that begins at byte 0 ends (exclusive), or -1 while its end has not arrived. */
function endOfJpeg(data: Buffer): number {
  let at = START_OF_IMAGE.length;
  while (at + 4 <= data.length) {
    const marker = data[at + 1];
    at += 2 + data.readUInt16BE(at + 2);
    if (marker === START_OF_SCAN) {
      const end = data.indexOf(END_OF_IMAGE, at);
      return end < 0 ? -1 : end + END_OF_IMAGE.length;
    }
  }
  return -1;
}
