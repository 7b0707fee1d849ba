import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';
import { DOCS, told } from './places.mjs';
import { testCardAt } from './scenes.mjs';

const require = createRequire(import.meta.url);
const { Engine } = require('../../dist/engine');
const { tIndexListOf } = require('../../dist/engine/diffusion/strength');
const example = require('../../examples/01 - Live picture.json');

const SIZE = 256;
const SHOWN = 200;
const FRAMES = 20;
const FRAME_MS = 90;

const denoiser = example.find(({ type }) => type === 'streamdiffusion-denoiser');
const prompts = example.filter(({ type }) => type === 'inject').map(({ props }) => props[0].v);

const shown = ({ data }) =>
  sharp(data, { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .resize(SHOWN)
    .png()
    .toBuffer();

/** The example's denoiser over the test card, under one prompt. */
async function paint(engine, prompt, frames) {
  const stream = await engine.createStream({
    mode: 'img2img',
    width: SIZE,
    height: SIZE,
    cfgType: denoiser.cfgType,
    tIndexList: tIndexListOf(Number(denoiser.strength), Number(denoiser.steps), 50),
  });
  await stream.setPrompt({ prompt });
  const outputs = [];
  for (const image of frames) outputs.push(...(await stream.process({ image })));
  outputs.push(...(await stream.flush()));
  await stream.close();
  return Promise.all(outputs.map(({ image }) => shown(image)));
}

/** Side by side: what comes in, and what each button of the example makes of it. Forwards, then backwards. */
export async function livePicture() {
  const frames = await Promise.all(Array.from({ length: FRAMES }, (_, index) => testCardAt(4000 + index * 2 * FRAME_MS, SIZE)));
  const engine = await Engine.load({ model: 'starter' });
  const rows = [await Promise.all(frames.map(shown))];
  for (const prompt of prompts) rows.push(await paint(engine, prompt, frames));
  await engine.close();

  const width = rows.length * (SHOWN + 4) - 4;
  const order = [...frames.keys(), ...[...frames.keys()].reverse().slice(1, -1)];
  const strips = await Promise.all(
    order.map((index) =>
      sharp({ create: { width, height: SHOWN, channels: 3, background: '#fff' } })
        .composite(rows.map((row, column) => ({ input: row[index], left: column * (SHOWN + 4), top: 0 })))
        .png()
        .toBuffer(),
    ),
  );
  const file = join(DOCS, 'live-picture.webp');
  await sharp(strips, { join: { animated: true } })
    .webp({ quality: 80, loop: 0, delay: order.map(() => FRAME_MS) })
    .toFile(file);
  return [told(file)];
}
