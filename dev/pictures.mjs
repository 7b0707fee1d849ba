// Makes the pictures of the README with the product itself: node dev/pictures.mjs (after npm run build; wants Chromium).
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOCS = join(ROOT, 'docs');
const require = createRequire(import.meta.url);
const { Engine } = require('../dist/engine');
const { testCard } = require('../dist/nodes/lib/test-card');
const { tIndexListOf } = require('../dist/engine/stream/strength');
const example = require('../examples/01 - Live picture.json');

const SIZE = 256;
const SHOWN = 200;
const FRAMES = 20;
const FRAME_MS = 90;

const denoiser = example.find(({ type }) => type === 'streamdiffusion-denoiser');
const prompts = example.filter(({ type }) => type === 'inject').map(({ props }) => props[0].v);

async function camera(index) {
  const svg = Buffer.from(testCard(4000 + index * 2 * FRAME_MS, SIZE, SIZE));
  return { data: await sharp(svg).removeAlpha().raw().toBuffer(), width: SIZE, height: SIZE, channels: 3 };
}

const shown = ({ data }) => sharp(data, { raw: { width: SIZE, height: SIZE, channels: 3 } }).resize(SHOWN).png().toBuffer();

/** The example's denoiser over the test card, under one prompt. */
async function paint(engine, prompt, frames) {
  const stream = await engine.createStream({
    mode: 'img2img', width: SIZE, height: SIZE, cfgType: denoiser.cfgType,
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
async function livePicture() {
  const frames = await Promise.all(Array.from({ length: FRAMES }, (_, index) => camera(index)));
  const engine = await Engine.load({ model: 'starter' });
  const rows = [await Promise.all(frames.map(shown))];
  for (const prompt of prompts) rows.push(await paint(engine, prompt, frames));
  await engine.close();

  const width = rows.length * (SHOWN + 4) - 4;
  const order = [...frames.keys(), ...[...frames.keys()].reverse().slice(1, -1)];
  const strips = await Promise.all(order.map((index) =>
    sharp({ create: { width, height: SHOWN, channels: 3, background: '#fff' } })
      .composite(rows.map((row, column) => ({ input: row[index], left: column * (SHOWN + 4), top: 0 })))
      .png().toBuffer()));
  await sharp(strips, { join: { animated: true } }).webp({ quality: 80, loop: 0, delay: order.map(() => FRAME_MS) }).toFile(join(DOCS, 'live-picture.webp'));
}

/** The example in the editor, while it runs. */
async function flowPicture() {
  const { chromium } = await import('playwright-core');
  const folder = await mkdtemp(join(tmpdir(), 'pictures-'));
  const server = spawn(process.execPath, [join(ROOT, 'dev/start.mjs'), '--user-dir', folder], { env: { ...process.env, PORT: '18820' } });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  try {
    await new Promise((ready) => server.stdout.on('data', (text) => String(text).includes('Live picture') && ready()));
    const page = await browser.newPage({ viewport: { width: 1560, height: 640 } });
    await page.goto('http://127.0.0.1:18820/');
    await page.waitForSelector('.red-ui-flow-node-group');
    // Until the last node says that pictures arrive.
    await page.waitForFunction(() => [...document.querySelectorAll('.red-ui-flow-node-status-label')].some((label) => /viewers · [1-9]/.test(label.textContent)), undefined, { timeout: 60_000 });
    const png = await page.screenshot({ clip: { x: 190, y: 95, width: 980, height: 310 } });
    await sharp(png).png({ palette: true, colours: 64 }).toFile(join(DOCS, 'flow.png'));
  } finally {
    await browser.close();
    server.kill();
    await new Promise((ended) => server.once('exit', ended));
    await rm(folder, { recursive: true });
  }
}

await mkdir(DOCS, { recursive: true });
await livePicture();
await flowPicture();
