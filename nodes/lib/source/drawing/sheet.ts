import { type Drawn, FIRST_DRAWINGS, type FirstDrawing, PAPER, svgOf } from './svg';

/** The number of strokes that can be undone; older ones become part of the paper. */
const MOST_STROKES = 300;
/** The most points of all strokes together. */
const MOST_POINTS = 20_000;
/** The most points of one stroke; a longer one is cut off. */
const MOST_IN_STROKE = 2000;
/** The JPEG quality of the paper, which is encoded again and again. */
const PAPER_QUALITY = 97;

/** The pen of a stroke. */
export interface Pen {
  /** `#rrggbb` */
  colour: string;
  /** Whether the stroke is also drawn mirrored at the vertical centre line. */
  mirror: boolean;
}

/** A drawing of several visitors: strokes in order, on paper that contains older ones. */
export class Sheet {
  private entries: Drawn[] = [];
  /** A JPEG of the paper below the strokes; undefined for plain paper. */
  private below: Buffer | undefined;
  private folding = false;
  /** The number of changes. */
  version = 0;

  /**
   * @param draw renders an SVG as JPEG
   * @param onPaper called when older strokes became part of the paper
   */
  constructor(
    private readonly width: number,
    private readonly height: number,
    private readonly first: FirstDrawing,
    private readonly draw: (svg: string, quality: number) => Promise<Buffer>,
    private readonly onPaper: () => void,
  ) {}

  /** The content, to draw it elsewhere: the JPEG below, and the strokes on it. */
  get content(): { below: Buffer | undefined; strokes: readonly Drawn[] } {
    return { below: this.below, strokes: this.entries };
  }

  /** Resets the sheet to its first state. */
  async reset(): Promise<void> {
    this.entries = [];
    const drawing = FIRST_DRAWINGS[this.first];
    this.below = drawing === undefined ? undefined : await this.draw(svgOf(this.width, this.height, undefined, [], drawing), PAPER_QUALITY);
    this.version++;
    this.onPaper();
  }

  begin(key: string, { colour, mirror }: Pen, points: number[]): void {
    this.entries.push({ key, colour, mirror, points: points.slice(0, 3 * MOST_IN_STROKE) });
    this.version++;
    if (this.isFull) void this.fold();
  }

  /** Adds points to a stroke, `x, y, width` each. */
  extend(key: string, points: number[]): void {
    const stroke = this.entries.findLast((entry) => entry.key === key);
    if (!stroke || stroke.points.length + points.length > 3 * MOST_IN_STROKE) return;
    stroke.points.push(...points);
    this.version++;
    if (this.isFull) void this.fold();
  }

  /** Puts plain paper on top; it can be undone. */
  clear(key: string): void {
    this.entries.push({ key, colour: PAPER, mirror: false, points: [], clear: true });
    this.version++;
  }

  /** Removes the newest stroke of a visitor. @returns its key; undefined when there is none left */
  undo(visitor: number): string | undefined {
    const at = this.entries.findLastIndex(({ key }) => key.startsWith(`${visitor} `));
    const [stroke] = at < 0 ? [] : this.entries.splice(at, 1);
    if (stroke) this.version++;
    return stroke?.key;
  }

  /** The whole sheet as JPEG. */
  picture(quality: number): Promise<Buffer> {
    return this.draw(svgOf(this.width, this.height, this.below, this.entries), quality);
  }

  private get isFull(): boolean {
    return this.entries.length > MOST_STROKES || this.entries.reduce((sum, { points }) => sum + points.length, 0) > 3 * MOST_POINTS;
  }

  /** Makes the older half of the strokes part of the paper. */
  private async fold(): Promise<void> {
    if (this.folding) return;
    this.folding = true;
    try {
      const older = this.entries.slice(0, Math.ceil(this.entries.length / 2));
      const { version } = this;
      const below = await this.draw(svgOf(this.width, this.height, this.below, older), PAPER_QUALITY);
      // Strokes that were undone or cleared meanwhile must not return with the paper.
      const isStill = older.every((entry, k) => this.entries[k] === entry);
      if (!isStill && version !== this.version) return;
      this.entries = this.entries.slice(older.length);
      this.below = below;
      this.onPaper();
    } catch {
      // The next stroke tries again; a fault of the codec is reported when the sheet is rendered.
    } finally {
      this.folding = false;
    }
  }
}
