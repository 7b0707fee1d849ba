import { createRequire } from 'node:module';
import sharp from 'sharp';

const { testCard } = createRequire(import.meta.url)('../../dist/nodes/lib/source/test-card');

/** @returns {Promise<{ data: Buffer, width: number, height: number, channels: 3 }>} the drawing as pixels */
async function pixels(svg, size) {
  return { data: await sharp(Buffer.from(svg)).resize(size, size).removeAlpha().raw().toBuffer(), width: size, height: size, channels: 3 };
}

/** What the frame source sends after so many milliseconds. */
export const testCardAt = (elapsedMs, size) => pixels(testCard(elapsedMs, size, size), size);

/**
 * A room as a camera sees it: a window, a lamp, and somebody who stands there with an arm raised.
 * @param arm degrees that the arm is raised
 * @param at where the person stands, 0..1 of the width
 */
export function room(size, arm = 40, at = 0.42) {
  const x = Math.round(256 * at);
  return pixels(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">
    <defs>
      <linearGradient id="wall" x2="1" y2="1"><stop stop-color="#b9ac9c"/><stop offset="1" stop-color="#7f7468"/></linearGradient>
      <radialGradient id="glow"><stop stop-color="#fff3c8"/><stop offset=".35" stop-color="#ffdf95" stop-opacity=".6"/><stop offset="1" stop-color="#ffd98a" stop-opacity="0"/></radialGradient>
      <filter id="soft"><feGaussianBlur stdDeviation="1.2"/></filter>
    </defs>
    <g filter="url(#soft)">
      <rect width="256" height="256" fill="url(#wall)"/>
      <rect y="196" width="256" height="60" fill="#57483c"/>
      <rect x="22" y="30" width="66" height="92" fill="#dfe9f2"/><rect x="22" y="92" width="66" height="30" fill="#8fa58a"/>
      <path d="M55 30v92M22 76h66" stroke="#6a5c4e" stroke-width="4"/>
      <circle cx="214" cy="66" r="66" fill="url(#glow)"/><circle cx="214" cy="66" r="15" fill="#fffbe8"/><path d="M214 80v120" stroke="#3f352d" stroke-width="4"/>
      <g transform="translate(${x} 0)">
        <path d="M-34 256c-2-60 8-96 34-98s38 38 36 98z" fill="#35435c"/>
        <path d="M22 172l46 0" stroke="#35435c" stroke-width="17" stroke-linecap="round" transform="rotate(${-arm} 22 172)"/>
        <ellipse cy="128" rx="21" ry="26" fill="#caa287"/><path d="M-22 124c-2-36 46-38 45 0-6-16-36-18-45 0z" fill="#3a2b22"/>
      </g>
    </g>
  </svg>`,
    size,
  );
}
