import { type Drawn, FIRST_DRAWINGS, type FirstDrawing, PAPER, svgOf } from './svg';

/** Strokes that can be taken back; older ones become part of the paper. */
const MOST_STROKES = 300;
/** Points of all of them together. */
const MOST_POINTS = 20_000;
/** Of one stroke; a longer one is cut off. */
const MOST_IN_STROKE = 2000;
/** Paper is JPEG as well, and drawn on again and again. */
const PAPER_QUALITY = 97;

/** What a stroke is made with. */
export interface Pen {
  /** `#rrggbb` */
  colour: string;
  /** Drawn a second time, mirrored at the upright middle. */
  mirror: boolean;
}

/** What visitors have drawn on one sheet: strokes in their order on paper, which holds what is older. */
export class Sheet {
  private entries: Drawn[] = [];
  /** A JPEG of what is below the strokes; undefined for plain paper. */
  private below: Buffer | undefined;
  private folding = false;
  /** Counts changes. */
  version = 0;

  /**
   * @param draw makes a JPEG of an SVG
   * @param onPaper told when older strokes became part of the paper
   */
  constructor(
    private readonly width: number,
    private readonly height: number,
    private readonly first: FirstDrawing,
    private readonly draw: (svg: string, quality: number) => Promise<Buffer>,
    private readonly onPaper: () => void,
  ) {}

  /** What it shows, to draw it elsewhere: the JPEG below, and the strokes on it. */
  get content(): { below: Buffer | undefined; strokes: readonly Drawn[] } {
    return { below: this.below, strokes: this.entries };
  }

  /** As it is at first. */
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

  /** More points of a stroke, `x, y, width` each. */
  extend(key: string, points: number[]): void {
    const stroke = this.entries.findLast((entry) => entry.key === key);
    if (!stroke || stroke.points.length + points.length > 3 * MOST_IN_STROKE) return;
    stroke.points.push(...points);
    this.version++;
    if (this.isFull) void this.fold();
  }

  /** Plain paper, until it is taken back. */
  clear(key: string): void {
    this.entries.push({ key, colour: PAPER, mirror: false, points: [], clear: true });
    this.version++;
  }

  /** Takes the newest stroke of a visitor back. @returns its key; undefined when there is none left */
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
      // What was taken back, or cleared away, meanwhile must not come back with the paper.
      const isStill = older.every((entry, k) => this.entries[k] === entry);
      if (!isStill && version !== this.version) return;
      this.entries = this.entries.slice(older.length);
      this.below = below;
      this.onPaper();
    } catch {
      // The next stroke tries it again; whoever renders the sheet hears what is wrong with the codec.
    } finally {
      this.folding = false;
    }
  }
}
