import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';
import { Painter, under } from './painter.mjs';
import { DOCS, told } from './places.mjs';
import { room } from './scenes.mjs';
import { makeSheet, openChromium } from './sheet.mjs';

const require = createRequire(import.meta.url);
const { learnBackground } = require('../../dist/engine/image/control/background');
const { CONTROL_MAPS, drawControlMap, USUAL_SETTINGS } = require('../../dist/engine/image/control/maps');

const SIZE = 256;
/** A position outside the picture, in widths, which leaves the room empty. */
const AWAY = 5;

const png = ({ data, width, height }) =>
  sharp(data, { raw: { width, height, channels: data.length / width / height } })
    .png()
    .toBuffer();

/** Draws a frame with every kind of control map of it, and a frame that is denoised where its mask is white. */
export async function controlPictures() {
  const browser = await openChromium();
  try {
    return [await mapsPicture(browser), await maskPicture(browser)];
  } finally {
    await browser.close();
  }
}

async function mapsPicture(browser) {
  const file = join(DOCS, 'nodes/pictures/control-maps.webp');
  const [before, image] = [await room(SIZE, 20), await room(SIZE, 60)];
  const empty = learnBackground([await room(SIZE, 0, AWAY)]);
  const draw = async (kind) => {
    const settings = { kind, invert: false, ...USUAL_SETTINGS[kind] };
    const state = kind === 'silhouette' ? empty : drawControlMap(before, settings).state;
    return { picture: await png(drawControlMap(image, settings, state).map) };
  };
  const cells = [{ picture: await png(image) }, ...(await Promise.all(CONTROL_MAPS.map(draw)))];
  await makeSheet(browser, { heads: ['frame', ...CONTROL_MAPS], rows: [{ name: '', cells }], shown: 116, file });
  return told(file);
}

/** A person in a denoised room. */
async function maskPicture(browser) {
  const file = join(DOCS, 'nodes/pictures/mask.webp');
  const [image, empty] = [await room(SIZE, 60), learnBackground([await room(SIZE, 0, AWAY)])];
  const { map } = drawControlMap(image, { kind: 'silhouette', ...USUAL_SETTINGS.silhouette, invert: true, grow: 2 }, empty);
  const mask = { ...map, channels: 1 };
  const painter = new Painter();
  try {
    const prompts = ['night, aurora, snow', 'sunset over the sea', 'pastel castle on a hill'];
    const cells = [{ picture: await png(image) }, { picture: await png(map) }];
    for (const prompt of prompts) {
      const [picture] = await painter.paint({ strength: 0.65 }, [{ image, mask, conditioning: under(prompt) }]);
      cells.push({ picture });
    }
    await makeSheet(browser, { heads: ['frame', 'mask', ...prompts], rows: [{ name: '', cells }], shown: 150, file });
  } finally {
    await painter.close();
  }
  return told(file);
}
