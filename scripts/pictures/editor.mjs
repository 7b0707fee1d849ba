import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { DOCS, ROOT, told } from './places.mjs';
import { openChromium } from './sheet.mjs';

const PAGES = join(DOCS, 'nodes');
const MARGIN = 10;
/** A usual width of dialogs, pixels. A config node's dialog opens over another one and does not get narrower. */
const DIALOG_WIDTH = 560;
const CONFIG_WIDTH = 900;

async function freePort() {
  const probe = createServer();
  await new Promise((listening) => probe.listen(0, '127.0.0.1', listening));
  const { port } = probe.address();
  await new Promise((closed) => probe.close(closed));
  return port;
}

/**
 * Runs a flow in its own Node-RED.
 * @param {{ flow?: string, example?: string }} what JSON, or an example's number; the first example by default
 * @param {(address: string) => Promise<void>} look
 */
export async function running({ flow, example = '1' }, look) {
  const folder = await mkdtemp(join(tmpdir(), 'pictures-'));
  if (flow) await writeFile(join(folder, 'flows.json'), flow);
  const port = await freePort();
  const start = [join(ROOT, 'scripts/start.mjs'), '--user-dir', folder, '--example', example];
  const server = spawn(process.execPath, start, { cwd: folder, env: { ...process.env, PORT: String(port) } });
  try {
    await new Promise((ready) => server.stdout.on('data', (text) => String(text).includes('Live picture') && ready()));
    await look(`http://127.0.0.1:${port}`);
  } finally {
    server.kill();
    await new Promise((ended) => server.once('exit', ended));
    await rm(folder, { recursive: true });
  }
}

/** Passes the editor's page to `look`, once a sink of the flow shows pictures. */
async function inEditor(browser, what, look) {
  await running(what, async (address) => {
    const page = await browser.newPage({ viewport: { width: 1560, height: 2300 } });
    await page.goto(address);
    await page.waitForSelector('.red-ui-flow-node-group');
    const isShown = () =>
      [...document.querySelectorAll('.red-ui-flow-node-status-label')].some((label) => /viewers · [1-9]/.test(label.textContent));
    await page.waitForFunction(isShown, undefined, { timeout: 60_000 });
    await page.waitForTimeout(3000);
    await look(page);
    await page.close();
  });
}

/** The example's camera page with Chromium's own test picture as the camera. */
async function cameraPicture(file) {
  const browser = await openChromium(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']);
  try {
    await running({ example: '4' }, async (address) => {
      const page = await browser.newPage({ viewport: { width: 1100, height: 620 } });
      await page.goto(`${address}/streamdiffusion/live/camera?start=camera`);
      await page.waitForSelector('canvas.live', { timeout: 60_000 });
      await page.waitForTimeout(2000);
      await sharp(await page.screenshot())
        .resize(800)
        .webp({ quality: 70, effort: 6 })
        .toFile(file);
    });
  } finally {
    await browser.close();
  }
}

/** Takes the nodes with their statuses, as the workspace shows them. */
async function pictureOfFlow(page, file, encode) {
  const clip = await page.evaluate((margin) => {
    const boxes = [...document.querySelectorAll('.red-ui-flow-node-group')].map((node) => node.getBoundingClientRect());
    const left = Math.min(...boxes.map((box) => box.left)) - margin;
    const top = Math.min(...boxes.map((box) => box.top)) - margin;
    const right = Math.max(...boxes.map((box) => box.right)) + margin;
    const bottom = Math.max(...boxes.map((box) => box.bottom)) + margin;
    return { x: left, y: top, width: right - left, height: bottom - top };
  }, MARGIN);
  await encode(sharp(await page.screenshot({ clip }))).toFile(file);
}

/** Waits until an element has stopped moving for half a second. */
export async function standsStill(locator) {
  let before = '';
  for (let since = performance.now(); performance.now() - since < 500; await locator.page().waitForTimeout(50)) {
    const now = JSON.stringify(await locator.boundingBox());
    if (now !== before) since = performance.now();
    before = now;
  }
}

/** Takes the dialog of a node with all of its sections open. */
async function pictureOfDialog(page, type, file) {
  await page.evaluate((name) => {
    const { RED } = window;
    if (name !== 'streamdiffusion-engine') return RED.editor.edit(RED.nodes.filterNodes({ type: name })[0]);
    RED.nodes.eachConfig((config) => void (config.type === name && RED.editor.editConfig('', name, config.id)));
  }, `streamdiffusion-${type}`);
  const form = page.locator(type === 'engine' ? '#node-config-dialog-edit-form' : '#dialog-form');
  await form.waitFor({ state: 'visible' });
  await form.evaluate(
    (element, width) => {
      for (const section of element.querySelectorAll('details')) section.open = true;
      element.closest('.red-ui-tray').style.width = `${width}px`;
    },
    type === 'engine' ? CONFIG_WIDTH : DIALOG_WIDTH,
  );
  await standsStill(page.locator('.red-ui-tray').last());
  // The form fills the editor's height, but its content ends earlier.
  const clip = await form.evaluate((element, margin) => {
    const shown = [...element.querySelectorAll('.form-row, .form-tips, .streamdiffusion-beside')].filter((row) => row.offsetParent);
    const { left, top, width } = element.getBoundingClientRect();
    const bottom = Math.max(...shown.map((row) => row.getBoundingClientRect().bottom));
    return { x: left - margin, y: top, width: width + 2 * margin, height: bottom - top + margin };
  }, MARGIN);
  await sharp(await page.screenshot({ clip }))
    .webp({ quality: 70, effort: 6 })
    .toFile(file);
}

/** The first example in the editor, while it runs. */
export async function flowPicture() {
  const file = join(DOCS, 'flow.png');
  const browser = await openChromium();
  try {
    await inEditor(browser, {}, (page) => pictureOfFlow(page, file, (image) => image.png({ palette: true, colours: 64 })));
  } finally {
    await browser.close();
  }
  return [told(file)];
}

/** The sidebar with the streams of the example that has two. */
export async function sidebarPicture() {
  const file = join(DOCS, 'sidebar.webp');
  const browser = await openChromium();
  try {
    await inEditor(browser, { example: '6' }, async (page) => {
      await page.evaluate(() => window.RED.sidebar.show('streamdiffusion'));
      const figures = () =>
        [...document.querySelectorAll('.streamdiffusion-stream')].filter((card) => /\d frames a second/.test(card.textContent)).length ===
        2;
      await page.waitForFunction(figures, undefined, { timeout: 60_000 });
      await page.waitForTimeout(2500);
      const list = page.locator('.streamdiffusion-sidebar');
      const { x, y, width } = await list.boundingBox();
      const last = await page.locator('.streamdiffusion-stream').last().boundingBox();
      const clip = { x, y, width, height: last.y + last.height - y + MARGIN };
      await sharp(await page.screenshot({ clip }))
        .webp({ quality: 75, effort: 6 })
        .toFile(file);
    });
  } finally {
    await browser.close();
  }
  return [told(file)];
}

/** For each page about a node, takes the running flow that it offers to import, and the node's dialog in that flow. */
export async function nodePictures() {
  const files = [];
  const browser = await openChromium();
  try {
    await mkdir(join(PAGES, 'pictures'), { recursive: true });
    for (const page of (await readdir(PAGES)).filter((name) => name.endsWith('.md'))) {
      const type = basename(page, '.md');
      const [, flow] = /```json\n(\[\n[\s\S]*?\n\])\n```/.exec(await readFile(join(PAGES, page), 'utf8'));
      const [running, dialog] = ['flow', 'dialog'].map((what) => join(PAGES, 'pictures', `${type}-${what}.webp`));
      await inEditor(browser, { flow }, async (editor) => {
        await pictureOfFlow(editor, running, (image) => image.webp({ quality: 70, effort: 6 }));
        await pictureOfDialog(editor, type, dialog);
      });
      files.push(told(running), told(dialog));
    }
  } finally {
    await browser.close();
  }
  const camera = join(PAGES, 'pictures/camera-page.webp');
  await cameraPicture(camera);
  return [...files, told(camera)];
}
