const HEAD = 4000;
const TAIL = 1000;
/** The parts that fit into an error, characters. */
const BRIEF_HEAD = 700;
const BRIEF_TAIL = 400;

/**
 * ffmpeg's error output: its beginning, which gives the reason and possible values, and its end. Only whole lines are kept, since
 * part of a password could not be recognised and hidden.
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

  /** Everything that is kept. */
  get text(): string {
    const whole = this.hasGap ? `${upToLine(this.head)}\n…\n${fromLine(this.tail)}` : this.head + this.tail;
    // ffmpeg prints the memory addresses of its parts, which are removed.
    return whole.replace(/ @ (0x)?[0-9a-f]{6,}(?=\])/gi, '').trim();
  }

  /** The part that fits into an error, in whole lines. */
  get brief(): string {
    const { text } = this;
    if (text.length <= BRIEF_HEAD + BRIEF_TAIL) return text;
    return `${upToLine(text.slice(0, BRIEF_HEAD))}\n…\n${fromLine(text.slice(-BRIEF_TAIL))}`.trim();
  }
}

/** The text up to the end of its last whole line. */
function upToLine(text: string): string {
  return text.slice(0, Math.max(0, text.lastIndexOf('\n')));
}

/** The text from the beginning of its first whole line. */
function fromLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? '' : text.slice(end + 1);
}
