/** Coordinates are in this many parts of the drawing's sides; the width of a stroke, of the shorter side. */
export const UNITS = 10_000;
/** The colour of empty paper: haze at the horizon by day, which a model of landscapes takes for sky. */
export const PAPER = '#dff0f8';

/** A stroke, or new paper if `clear` is set. */
export interface Drawn {
  /** The number of the visitor, a space, the number of the stroke. */
  key: string;
  colour: string;
  mirror: boolean;
  /** x, y, width of each point. */
  points: number[];
  clear?: true;
}

/**
 * Draws strokes as SVG.
 *
 * @param below a JPEG under the strokes
 * @param first further shapes under the strokes, in a box of 100 × 100
 */
export function svgOf(width: number, height: number, below: Buffer | undefined, strokes: readonly Drawn[], first = ''): string {
  const cleared = strokes.findLastIndex(({ clear }) => clear);
  const image =
    below && cleared < 0 ? `<image href="data:image/jpeg;base64,${below.toString('base64')}" width="${width}" height="${height}"/>` : '';
  const shapes = first && `<svg width="${width}" height="${height}" viewBox="0 0 100 100" preserveAspectRatio="none">${first}</svg>`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    `<rect width="${width}" height="${height}" fill="${PAPER}"/>${image}${shapes}` +
    '<g fill="none" stroke-linecap="round" stroke-linejoin="round">' +
    strokes
      .slice(cleared + 1)
      .map((stroke) => pathsOf(stroke, width, height))
      .join('') +
    '</g></svg>'
  );
}

/** The paths of a stroke, one for each width, since an SVG path has a single width. */
function pathsOf({ colour, mirror, points }: Drawn, width: number, height: number): string {
  const unit = Math.min(width, height) / UNITS;
  const at = (k: number): string => `${((points[k] * width) / UNITS).toFixed(1)} ${((points[k + 1] * height) / UNITS).toFixed(1)}`;
  let paths = '';
  for (let from = 0; from < points.length; ) {
    let line = `M${at(Math.max(0, from - 3))}L${at(from)}`;
    let to = from + 3;
    for (; to < points.length && points[to + 2] === points[from + 2]; to += 3) line += `L${at(to)}`;
    paths += `<path d="${line}" stroke-width="${Math.max(0.5, points[from + 2] * unit).toFixed(1)}"/>`;
    from = to;
  }
  const group = (more: string): string => `<g stroke="${colour}"${more}>${paths}</g>`;
  return group('') + (mirror ? group(` transform="translate(${width} 0) scale(-1 1)"`) : '');
}

export type FirstDrawing = 'blank' | 'landscape';

/** The drawings that a sheet can start with. */
export const FIRST_DRAWINGS: Record<FirstDrawing, string | undefined> = {
  blank: undefined,
  // A landscape whose right half is left to visitors: the sky ends in brush strokes, hills and shore in lines.
  landscape: [
    '<g fill="none" stroke="#7ac0f8" stroke-width="9" stroke-linecap="round">',
    '<path d="M-4 3H96"/><path d="M-4 10H83"/><path d="M-4 17H70"/><path d="M-4 24H76"/><path d="M-4 31H60"/><path d="M-4 38H54"/></g>',
    '<g fill="none" stroke="#b4dcf6" stroke-width="7" stroke-linecap="round"><path d="M-4 45H58"/><path d="M-4 50H44"/></g>',
    '<circle cx="30" cy="20" r="7.5" fill="#ffe27a"/>',
    '<path d="M-2 56Q10 36 22 45T44 53L48 60H-2Z" fill="#62708f"/>',
    '<path d="M44 53Q56 41 66 48T88 44T102 49" fill="none" stroke="#62708f" stroke-width="1.3" stroke-linecap="round"/>',
    '<path d="M-2 60Q16 50 34 57T56 62L50 72H-2Z" fill="#62b44e"/>',
    '<path d="M56 62Q74 55 102 60" fill="none" stroke="#62b44e" stroke-width="1.3" stroke-linecap="round"/>',
    '<g fill="none" stroke="#1a70b0" stroke-width="7" stroke-linecap="round">',
    '<path d="M-4 75H64"/><path d="M-4 81H50"/><path d="M-4 87H57"/><path d="M-4 93H40"/><path d="M-4 99H46"/></g>',
    '<path d="M64 74H102M60 82H98M66 91H102" fill="none" stroke="#1a70b0" stroke-width=".9" stroke-linecap="round"/>',
    '<g fill="#28744a"><path d="M7 62l4-13 4 13Z"/><path d="M14 64l4-15 4 15Z"/><path d="M22 63l3-11 3 11Z"/></g>',
  ].join(''),
};
