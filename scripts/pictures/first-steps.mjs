import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { running, standsStill } from './editor.mjs';
import { DOCS, told } from './places.mjs';
import { openChromium } from './sheet.mjs';

const FOLDER = join(DOCS, 'first-steps');
const PATIENCE = { timeout: 60_000 };

async function keep(page, name) {
  const file = join(FOLDER, `${name}.webp`);
  await sharp(await page.screenshot())
    .resize(1000)
    .webp({ quality: 68, effort: 6 })
    .toFile(file);
  return told(file);
}

/** Waits until the sidebar shows the frame rate of an idle machine; on a busy one the current figures are taken. */
async function runsWell(page) {
  const isFast = () => /[1-9]\d frames a second/.test(document.querySelector('.streamdiffusion-figures')?.textContent ?? '');
  await page.waitForFunction(isFast, undefined, PATIENCE).catch(() => undefined);
}

/** Opens the dialog of the node with this label by a double-click. */
async function edit(page, label) {
  const node = page.locator('.red-ui-flow-node-group', { hasText: label }).locator('.red-ui-flow-node').first();
  const form = page.locator('#dialog-form');
  const opens = () => form.waitFor({ state: 'visible', timeout: 10_000 });
  // The editor takes no double-click while it still draws what a deploy changed.
  for (let tries = 0; tries < 3 && !(await form.isVisible()); tries++) {
    await node.dblclick({ force: true });
    await opens().catch(() => undefined);
  }
  await opens();
  await standsStill(page.locator('.red-ui-tray').last());
}

async function deploy(page) {
  await page.click('#node-dialog-ok');
  await page.waitForSelector('.red-ui-tray', { state: 'detached' });
  await page.click('#red-ui-header-button-deploy');
  await page.waitForFunction(() => !window.RED.nodes.dirty());
}

/** The three steps of the README, as a new user takes them. */
export async function firstSteps() {
  await mkdir(FOLDER, { recursive: true });
  const browser = await openChromium(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']);
  const files = [];
  try {
    await running({ example: '1' }, async (address) => {
      const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, permissions: ['camera'] });
      const page = await context.newPage();
      await page.goto(address);
      await page.waitForSelector('.red-ui-flow-node-group');
      await page.waitForFunction(() => /\d+ ms/.test(document.querySelector('#red-ui-workspace-chart').textContent), undefined, PATIENCE);
      await page.evaluate(() => window.RED.sidebar.show('streamdiffusion'));
      await page.waitForTimeout(3000);
      await edit(page, 'stream-batch denoiser');
      await page.locator('#denoiser-slider').fill('0.3');
      await page.waitForTimeout(3000);
      await runsWell(page);
      files.push(await keep(page, 'strength'));
      await deploy(page);

      await edit(page, 'moving test card');
      await page.selectOption('#node-input-kind', 'browser');
      await runsWell(page);
      files.push(await keep(page, 'camera'));
      const camera = await page
        .locator('.source-address')
        .first()
        .evaluate((link) => link.href);
      await deploy(page);
      const visitor = await context.newPage();
      await visitor.goto(camera);
      await visitor.click('#start');
      await visitor.waitForSelector('canvas.live', PATIENCE);
      await page.bringToFront();

      await edit(page, 'prompt encoder');
      await page.fill('#node-input-prompt', 'a lighthouse in a winter storm, with quokkas');
      await page.locator('.streamdiffusion-chip', { hasText: 'quokkas' }).first().waitFor(PATIENCE);
      await page.waitForTimeout(4000);
      await runsWell(page);
      files.push(await keep(page, 'prompt'));
    });
  } finally {
    await browser.close();
  }
  return files;
}
