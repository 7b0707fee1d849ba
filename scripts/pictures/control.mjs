import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';
import { DOCS, told } from './places.mjs';
import { room } from './scenes.mjs';
import { makeSheet, openChromium } from './sheet.mjs';

const require = createRequire(import.meta.url);
const { learnBackground } = require('../../dist/engine/image/control/background');
const { CONTROL_MAPS, drawControlMap, USUAL_SETTINGS } = require('../../dist/engine/image/control/maps');

const SIZE = 256;
/** Where the empty room's person is. */
const AWAY = 5;

const png = ({ data, width, height }) =>
  sharp(data, { raw: { width, height, channels: data.length / width / height } })
    .png()
    .toBuffer();

/** A frame, and every kind of control map of it. */
export async function controlPictures() {
  const file = join(DOCS, 'nodes/pictures/control-maps.webp');
  const [before, image] = [await room(SIZE, 20), await room(SIZE, 60)];
  const empty = learnBackground([await room(SIZE, 0, AWAY)]);
  const draw = async (kind) => {
    const settings = { kind, invert: false, ...USUAL_SETTINGS[kind] };
    const state = kind === 'silhouette' ? empty : drawControlMap(before, settings).state;
    return { picture: await png(drawControlMap(image, settings, state).map) };
  };
  const browser = await openChromium();
  try {
    const cells = [{ picture: await png(image) }, ...(await Promise.all(CONTROL_MAPS.map(draw)))];
    await makeSheet(browser, { heads: ['frame', ...CONTROL_MAPS], rows: [{ name: '', cells }], shown: 116, file });
  } finally {
    await browser.close();
  }
  return [told(file)];
}
