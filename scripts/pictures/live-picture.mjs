import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';
import { DOCS, told } from './places.mjs';
import { room, testCardAt } from './scenes.mjs';

const require = createRequire(import.meta.url);
const { Engine } = require('../../dist/engine');
const { tIndexListOf } = require('../../dist/engine/diffusion/strength');
const { drawControlMap, USUAL_SETTINGS } = require('../../dist/engine/image/control/maps');
const example = require('../../examples/01 - Live picture.json');
const camera = require('../../examples/04 - Camera to page.json');

const SIZE = 256;
const SHOWN = 176;
const GAP = 4;
const FRAMES = 16;
const FRAME_MS = 90;

const denoiserOf = (flow) => flow.find(({ type }) => type === 'streamdiffusion-denoiser');
const prompts = example.filter(({ type }) => type === 'inject').map(({ props }) => props[0].v);

/** The input pictures and their settings: the first example, and a person who waves before a camera. */
const ROWS = [
  {
    frameAt: (index) => testCardAt(4000 + index * 2 * FRAME_MS, SIZE),
    settings: denoiserOf(example),
  },
  {
    frameAt: (index) => room(SIZE, 48 + 26 * Math.sin((2 * Math.PI * index) / (FRAMES - 1)), 0.44),
    settings: denoiserOf(camera),
  },
];

const shown = ({ data }) =>
  sharp(data, { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .resize(SHOWN)
    .png()
    .toBuffer();

/** Outlines that steer a frame, as the examples' control map draws them. */
function outlines(image) {
  const { data, width, height } = drawControlMap(image, { kind: 'soft-edges', ...USUAL_SETTINGS['soft-edges'], invert: false }).map;
  return { data: Uint8Array.from({ length: 3 * data.length }, (_, k) => data[Math.floor(k / 3)]), width, height, channels: 3 };
}

/** Renders frames with one prompt, as a denoiser of an example does. */
async function paint(engine, { strength, steps, cfgType, guidanceScale, weights }, prompt, frames) {
  const stream = await engine.createStream({
    mode: 'img2img',
    width: SIZE,
    height: SIZE,
    cfgType,
    guidanceScale: Number(guidanceScale),
    weights,
    tIndexList: tIndexListOf(Number(strength), Number(steps), 50),
  });
  await stream.setPrompt({ prompt });
  const outputs = [];
  for (const image of frames) outputs.push(...(await stream.process({ image, pictures: { shape: outlines(image) } })));
  outputs.push(...(await stream.flush()));
  await stream.close();
  return Promise.all(outputs.map(({ image }) => shown(image)));
}

/** Makes a loop, forwards and then backwards, of the input beside the picture for each button of the example. */
export async function livePicture() {
  const engine = await Engine.load({ model: 'starter' });
  const films = [];
  for (const [row, { frameAt, settings }] of ROWS.entries()) {
    const frames = await Promise.all(Array.from({ length: FRAMES }, (_, index) => frameAt(index)));
    films.push({ row, column: 0, pictures: await Promise.all(frames.map(shown)) });
    for (const [k, prompt] of prompts.entries())
      films.push({ row, column: k + 1, pictures: await paint(engine, settings, prompt, frames) });
  }
  await engine.close();

  const at = (place) => place * (SHOWN + GAP);
  const [width, height] = [at(prompts.length + 1) - GAP, at(ROWS.length) - GAP];
  const order = [...Array(FRAMES).keys(), ...[...Array(FRAMES).keys()].reverse().slice(1, -1)];
  const strips = await Promise.all(
    order.map((index) =>
      sharp({ create: { width, height, channels: 3, background: '#fff' } })
        .composite(films.map(({ row, column, pictures }) => ({ input: pictures[index], left: at(column), top: at(row) })))
        .png()
        .toBuffer(),
    ),
  );
  const file = join(DOCS, 'live-picture.webp');
  await sharp(strips, { join: { animated: true } })
    .webp({ quality: 82, effort: 6, loop: 0, delay: order.map(() => FRAME_MS) })
    .toFile(file);
  return [told(file)];
}
