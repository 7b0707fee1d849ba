import { createRequire } from 'node:module';
import sharp from 'sharp';

const { testCard } = createRequire(import.meta.url)('../../dist/nodes/lib/source/test-card');

/** @returns {Promise<{ data: Buffer, width: number, height: number, channels: 3 }>} the drawing as pixels */
async function pixels(svg, size) {
  return { data: await sharp(Buffer.from(svg)).resize(size, size).removeAlpha().raw().toBuffer(), width: size, height: size, channels: 3 };
}

/** The frame source's test card after this many milliseconds. */
export const testCardAt = (elapsedMs, size) => pixels(testCard(elapsedMs, size, size), size);

const PAINTS = `<defs>
  <linearGradient id="wall" x2="1" y2="1"><stop stop-color="#b9ac9c"/><stop offset="1" stop-color="#7f7468"/></linearGradient>
  <linearGradient id="cool" x2="1" y2="1"><stop stop-color="#c9d2d6"/><stop offset="1" stop-color="#8b969c"/></linearGradient>
  <linearGradient id="dark" x2=".3" y2="1"><stop stop-color="#15151c"/><stop offset="1" stop-color="#2a2633"/></linearGradient>
  <radialGradient id="glow"><stop stop-color="#fff3c8"/><stop offset=".35" stop-color="#ffdf95" stop-opacity=".6"/><stop offset="1" stop-color="#ffd98a" stop-opacity="0"/></radialGradient>
  <linearGradient id="skin" x2="1"><stop stop-color="#dcb294"/><stop offset=".6" stop-color="#c99a7d"/><stop offset="1" stop-color="#9a6d55"/></linearGradient>
  <linearGradient id="brown" x2="1"><stop stop-color="#9a6a4a"/><stop offset="1" stop-color="#5f3d29"/></linearGradient>
  <linearGradient id="cloth" x2="1"><stop stop-color="#4a5f86"/><stop offset="1" stop-color="#273247"/></linearGradient>
  <linearGradient id="red" x2="1"><stop stop-color="#b4483c"/><stop offset="1" stop-color="#6d2620"/></linearGradient>
  <radialGradient id="edge" cx=".5" cy=".5" r=".75"><stop offset=".6" stop-opacity="0"/><stop offset="1" stop-opacity=".35"/></radialGradient>
  <filter id="soft"><feGaussianBlur stdDeviation=".9"/></filter>
  <filter id="far"><feGaussianBlur stdDeviation="2.2"/></filter>
</defs>`;

/** A drawing as a camera sees it: slightly blurred, with darker corners. */
const asSeen = (inner, size) =>
  pixels(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">${PAINTS}<g filter="url(#soft)">${inner}</g><rect width="256" height="256" fill="url(#edge)"/></svg>`,
    size,
  );

/** A face with hair, centred on the origin, 52 high. */
const head = (skin = 'skin', hair = '#3a2b22') => `
  <path d="M-24 4c-4-44 52-44 48 0l-3 14c2-40-40-40-42 0z" fill="${hair}"/>
  <ellipse rx="20" ry="26" fill="url(#${skin})"/>
  <path d="M-22 -2c-2-34 46-36 44 0-4-14-12-18-20-18-10 4-20 4-24 18z" fill="${hair}"/>
  <path d="M-12-3q4-3 8 0M4-3q4-3 8 0" stroke="#2b1d16" stroke-width="2" fill="none"/>
  <circle cx="-8" cy="1" r="1.8" fill="#241812"/><circle cx="8" cy="1" r="1.8" fill="#241812"/>
  <path d="M0 2l-2 8h4" stroke="#8a5c46" stroke-width="1.4" fill="none"/><path d="M-7 15q7 4 14 0" stroke="#8d3f38" stroke-width="2" fill="none"/>`;

/**
 * A person down to the hips, with the face at the origin.
 * @param arm degrees that the arm on the right is raised; both hang if left out
 */
function person({ arm, skin = 'skin', cloth = 'cloth', hair } = {}) {
  const raised =
    arm === undefined
      ? ''
      : `<g transform="rotate(${-arm} 30 50)"><path d="M30 50h52" stroke="${cloth === 'red' ? '#8f372d' : '#3a4a69'}" stroke-width="19" stroke-linecap="round"/><path d="M66 50h24" stroke="#c99a7d" stroke-width="12" stroke-linecap="round"/><circle cx="96" cy="50" r="9" fill="#d3a688"/></g>`;
  return `<path d="M-9 18h18v24h-18z" fill="#a87a62"/><path d="M-40 160c-6-70-4-104 18-114l22 8 22-8c22 10 24 44 18 114z" fill="url(#${cloth})"/>${raised}${head(skin, hair)}`;
}

const ROOM = `<rect width="256" height="256" fill="url(#wall)"/><rect y="206" width="256" height="50" fill="#57483c"/>
  <g filter="url(#far)"><rect x="16" y="26" width="66" height="96" fill="#dfe9f2"/><rect x="16" y="92" width="66" height="30" fill="#8fa58a"/><path d="M49 26v96M16 74h66" stroke="#6a5c4e" stroke-width="4"/></g>
  <circle cx="222" cy="66" r="62" fill="url(#glow)"/><circle cx="222" cy="66" r="14" fill="#fffbe8"/><path d="M222 80v128" stroke="#3f352d" stroke-width="4"/>`;

/**
 * A room with a window and a lamp, and a person who stands there with an arm raised.
 * @param arm degrees that the arm is raised
 * @param at where the person stands, 0..1 of the width
 */
export const room = (size, arm = 40, at = 0.42) => asSeen(`${ROOM}<g transform="translate(${256 * at} 118)">${person({ arm })}</g>`, size);

/** Scenes as a visitors' camera shows them, by name. */
export const SCENES = {
  'an arm raised': (size) => room(size, 62, 0.45),
  'a face': (size) =>
    asSeen(
      `<rect width="256" height="256" fill="url(#cool)"/><g filter="url(#far)"><rect x="170" width="60" height="256" fill="#6f7d86"/></g><g transform="translate(124 112) scale(2.3)">${person({})}</g>`,
      size,
    ),
  'two people': (size) =>
    asSeen(
      `${ROOM}<g transform="translate(84 112) scale(1.05)">${person({ cloth: 'red', hair: '#1d1713', skin: 'brown' })}</g><g transform="translate(174 122)">${person({ hair: '#b08a4e' })}</g>`,
      size,
    ),
  'a hand': (size) =>
    asSeen(
      `<rect width="256" height="256" fill="url(#cool)"/><g fill="none" stroke="url(#skin)" stroke-linecap="round"><path d="M128 270V170" stroke-width="62"/><path d="M128 168v10" stroke-width="84"/><path d="M96 160L76 84M117 150l-5-98M140 150l12-94M161 160l26-74" stroke-width="21"/><path d="M94 190l-42-34" stroke-width="22"/></g>`,
      size,
    ),
  'on a stage': (size) =>
    asSeen(
      `<rect width="256" height="256" fill="url(#dark)"/><path d="M128-10L40 256h176z" fill="#8f86c8" opacity=".35"/><ellipse cx="128" cy="236" rx="84" ry="14" fill="#b7aee6" opacity=".5"/><g transform="translate(128 84) scale(.72)"><path d="M-14 120l-24 92M14 120l28 90" stroke="#e8e4f4" stroke-width="20" stroke-linecap="round"/><path d="M-26 60l-58-46M26 60l62-56" stroke="#e8e4f4" stroke-width="15" stroke-linecap="round"/><path d="M-26 46h52l-8 84h-36z" fill="#f2effa"/>${head()}</g>`,
      size,
    ),
  'a desk': (size) =>
    asSeen(
      `<rect width="256" height="256" fill="url(#wall)"/><rect y="150" width="256" height="106" fill="#8a6a4c"/><circle cx="60" cy="76" r="70" fill="url(#glow)"/><path d="M36 84l26-40 34 22z" fill="#2f5d50"/><path d="M62 62l-20 90" stroke="#2c2c30" stroke-width="6"/><ellipse cx="44" cy="154" rx="28" ry="8" fill="#2c2c30"/><rect x="112" y="66" width="116" height="76" rx="5" fill="#24272d"/><rect x="118" y="72" width="104" height="64" fill="#9fc3dc"/><path d="M164 142h12v20h-12z" fill="#24272d"/><path d="M92 176h44l-5 44h-34z" fill="#e9e4da"/><path d="M134 184q20 2 -1 24" stroke="#e9e4da" stroke-width="7" fill="none"/><ellipse cx="114" cy="177" rx="22" ry="6" fill="#4a2f20"/>`,
      size,
    ),
};
