/**
 * The moving test card: a small landscape at dusk, for sources without a camera or file.
 *
 * It has what an image-to-image model responds to: large clean gradients, a bright disc, layered silhouettes, head and shoulders
 * as in front of a webcam, and motion at several speeds.
 */

/** A mountain range; its distance determines its height, colour and speed. */
interface Ridge {
  /** The height of its middle line above the lower edge, as a share of the picture's height. */
  height: number;
  /** How far the peaks rise and fall around that line, as a share of the picture's height. */
  roughness: number;
  /** Its drift, picture widths per second. */
  speed: number;
  /** Its start in the endless profile, so that no two ranges look alike. */
  offset: number;
  colour: string;
}

const RIDGES: readonly Ridge[] = [
  { height: 0.46, roughness: 0.1, speed: 0.014, offset: 0.3, colour: '#8f7fae' },
  { height: 0.34, roughness: 0.085, speed: 0.032, offset: 4.1, colour: '#57598a' },
  { height: 0.2, roughness: 0.065, speed: 0.07, offset: 9.7, colour: '#2c3a5c' },
];

const POINTS = 48;

/** The height of a ridge at `x` picture widths, -1..1: three waves with incommensurable lengths. */
function profile(x: number): number {
  return 0.55 * Math.sin(x * 5.1) + 0.3 * Math.sin(x * 11.7 + 1.3) + 0.15 * Math.sin(x * 23.9 + 0.4);
}

function ridgePath(ridge: Ridge, seconds: number, width: number, height: number): string {
  const points: string[] = [];
  for (let i = 0; i <= POINTS; i++) {
    const x = i / POINTS;
    const top = 1 - ridge.height - ridge.roughness * profile(x + ridge.offset + seconds * ridge.speed);
    points.push(`${(x * width).toFixed(1)},${(top * height).toFixed(1)}`);
  }
  return `<polygon points="0,${height} ${points.join(' ')} ${width},${height}" fill="${ridge.colour}"/>`;
}

/** Head, neck and shoulders, drawn around the middle of the lower edge, swaying. */
function bust(seconds: number, width: number, height: number): string {
  const unit = Math.min(width, height);
  const x = width * (0.36 + 0.06 * Math.sin(seconds * 0.8));
  const lean = 6 * Math.sin(seconds * 1.1);
  return (
    `<g transform="translate(${x.toFixed(1)} ${height}) rotate(${lean.toFixed(2)}) scale(${(unit / 100).toFixed(4)})" fill="#131a2e">` +
    '<ellipse cx="0" cy="-39" rx="9.5" ry="12"/><rect x="-5.5" y="-32" width="11" height="12"/>' +
    '<path d="M-23,6 C-23,-15 -14,-22 0,-23 C14,-22 23,-15 23,6 Z"/></g>'
  );
}

/**
 * The test card at one moment, as SVG. A pure function: the same arguments give the same picture.
 *
 * @param milliseconds since the card started
 * @param width pixels
 * @param height pixels
 */
export function testCard(milliseconds: number, width: number, height: number): string {
  const seconds = milliseconds / 1000;
  const angle = seconds * 0.27;
  const sunX = width * (0.58 + 0.3 * Math.cos(angle));
  const sunY = height * (0.3 + 0.13 * Math.sin(angle));
  const sunRadius = Math.min(width, height) * 0.085;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    '<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">' +
    '<stop offset="0" stop-color="#2f4a86"/><stop offset="0.45" stop-color="#d98a8f"/><stop offset="0.7" stop-color="#ffd9a0"/>' +
    '</linearGradient><radialGradient id="glow">' +
    '<stop offset="0.3" stop-color="#fff3cf" stop-opacity="0.75"/><stop offset="1" stop-color="#ffd9a0" stop-opacity="0"/>' +
    '</radialGradient></defs>' +
    `<rect width="${width}" height="${height}" fill="url(#sky)"/>` +
    `<circle cx="${sunX.toFixed(1)}" cy="${sunY.toFixed(1)}" r="${(sunRadius * 2.6).toFixed(1)}" fill="url(#glow)"/>` +
    `<circle cx="${sunX.toFixed(1)}" cy="${sunY.toFixed(1)}" r="${sunRadius.toFixed(1)}" fill="#fff6dc"/>` +
    RIDGES.map((ridge) => ridgePath(ridge, seconds, width, height)).join('') +
    bust(seconds, width, height) +
    '</svg>'
  );
}
