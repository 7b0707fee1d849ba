// The pictures of docs/stage.md: the performance page, the drawing page and the gallery.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { running } from './editor.mjs';
import { DOCS, told } from './places.mjs';
import { openChromium } from './sheet.mjs';

const FOLDER = join(DOCS, 'pictures');

/** The performance page with a few scenes saved. */
async function playPage(browser, file) {
  await running({ example: '17' }, async (address) => {
    const page = await browser.newPage({ viewport: { width: 1366, height: 768 } });
    await page.goto(`${address}/streamdiffusion/stage/play`);
    await page.waitForSelector('body.here');
    await page.waitForSelector('.chip', { state: 'attached' });
    for (const [key, prompt] of [
      'sunset over the sea',
      'night, aurora, snow',
      'pastel castle on a hill',
      'lighthouse by the sea, dawn',
    ].entries()) {
      await page.fill('#prompt', prompt);
      await page.press('#prompt', 'Enter');
      await page.waitForTimeout(2500);
      await page.keyboard.press(`Shift+Digit${key + 1}`);
      await page.waitForTimeout(500);
    }
    await page.evaluate(() => {
      document.getElementById('say').hidden = true;
    });
    await sharp(await page.screenshot())
      .webp({ quality: 80, effort: 6 })
      .toFile(file);
    await page.close();
  });
  return told(file);
}

/** The drawing page while someone finishes the example's half landscape. */
async function drawPage(browser, file) {
  await running({ example: '18' }, async (address) => {
    const page = await browser.newPage({ viewport: { width: 1180, height: 740 } });
    await page.goto(`${address}/streamdiffusion/paper/draw`);
    await page.waitForSelector('#picture.live');
    const { x, y, width, height } = await page.locator('#sheet').boundingBox();
    const stroke = async (colour, size, ...places) => {
      await page.click(`[data-colour="${colour}"]`);
      await page.locator('#size input').fill(String(size));
      for (const [k, [left, top]] of places.entries()) {
        await page.mouse.move(x + left * width, y + top * height, { steps: k ? 8 : 1 });
        if (k === 0) await page.mouse.down();
      }
      await page.mouse.up();
    };
    await stroke('#7ac0f8', 9, [0.8, 0.06], [0.98, 0.05], [0.75, 0.15], [0.98, 0.16], [0.78, 0.25], [0.95, 0.27]);
    await stroke('#62708f', 8, [0.55, 0.52], [0.7, 0.5], [0.86, 0.48], [0.99, 0.53]);
    await stroke('#62b44e', 10, [0.6, 0.65], [0.8, 0.62], [0.99, 0.65]);
    await stroke('#b64e3a', 6, [0.8, 0.6], [0.85, 0.6]);
    await page.waitForTimeout(2500);
    await sharp(await page.screenshot())
      .webp({ quality: 80, effort: 6 })
      .toFile(file);
    await page.close();
  });
  return told(file);
}

/** The gallery with a few pictures from different prompts. */
async function galleryPage(browser, file) {
  await running({ example: '23' }, async (address) => {
    const play = await browser.newPage({ viewport: { width: 1366, height: 768 } });
    await play.goto(`${address}/streamdiffusion/house/play`);
    await play.waitForSelector('body.here');
    await play.waitForFunction(() => document.documentElement.style.getPropertyValue('--ratio'));
    for (const prompt of [
      'sunset over the sea',
      'snowy mountains, dawn',
      'pastel castle on a hill',
      'night, aurora, snow',
      'lighthouse by the sea',
      'autumn forest',
    ]) {
      await play.fill('#prompt', prompt);
      await play.press('#prompt', 'Enter');
      await play.waitForTimeout(2500);
      await play.keyboard.press('KeyS');
      await play.waitForTimeout(500);
    }
    await play.close();
    const page = await browser.newPage({ viewport: { width: 1180, height: 860 } });
    await page.goto(`${address}/streamdiffusion/house/gallery`);
    await page.waitForFunction(() => document.querySelectorAll('#pictures li').length === 6);
    await page.evaluate(() => {
      document.getElementById('here').hidden = true;
    });
    await page.waitForTimeout(1500);
    await sharp(await page.screenshot())
      .webp({ quality: 80, effort: 6 })
      .toFile(file);
    await page.close();
  });
  return told(file);
}

export async function stagePictures() {
  const browser = await openChromium();
  try {
    await mkdir(FOLDER, { recursive: true });
    return [
      await playPage(browser, join(FOLDER, 'play-page.webp')),
      await drawPage(browser, join(FOLDER, 'draw-page.webp')),
      await galleryPage(browser, join(FOLDER, 'gallery-page.webp')),
    ];
  } finally {
    await browser.close();
  }
}
