const HEAD = 4000;
const TAIL = 1000;
/** So much of them fits into an error. */
const BRIEF_HEAD = 700;
const BRIEF_TAIL = 400;

/**
 * What ffmpeg writes about its failure: the beginning, which says why and what would do, and the end. Whole lines only: half a
 * password would not be known for one.
 */
export class FfmpegWords {
  private head = '';
  private tail = '';
  private hasGap = false;

  add(chunk: Buffer): void {
    const text = chunk.toString();
    const room = HEAD - this.head.length;
    this.head += text.slice(0, room);
    const more = this.tail + text.slice(Math.max(0, room));
    this.hasGap ||= more.length > TAIL;
    this.tail = more.slice(-TAIL);
  }

  /** All that is kept. */
  get text(): string {
    const whole = this.hasGap ? `${upToLine(this.head)}\n…\n${fromLine(this.tail)}` : this.head + this.tail;
    // ffmpeg names its parts with their place in memory, which says nothing to anybody.
    return whole.replace(/ @ (0x)?[0-9a-f]{6,}(?=\])/gi, '').trim();
  }

  /** So much of it as an error can hold, in whole lines. */
  get brief(): string {
    const { text } = this;
    if (text.length <= BRIEF_HEAD + BRIEF_TAIL) return text;
    return `${upToLine(text.slice(0, BRIEF_HEAD))}\n…\n${fromLine(text.slice(-BRIEF_TAIL))}`.trim();
  }
}

/** Up to the end of the last whole line. */
function upToLine(text: string): string {
  return text.slice(0, Math.max(0, text.lastIndexOf('\n')));
}

/** From the beginning of the first whole line. */
function fromLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? '' : text.slice(end + 1);
}
