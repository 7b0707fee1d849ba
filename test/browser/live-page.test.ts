import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { openBrowser } from '../lib/browser';
import { Server, takeOneAndLeaveIt } from '../lib/server';
import { PATIENCE } from '../lib/until';

/** The colours of a 16 × 16 raster of what a canvas shows. */
const pixels = (page: Page): Promise<number[]> =>
  page.evaluate(() => {
    const small = document.createElement('canvas');
    small.width = small.height = 16;
    const context = small.getContext('2d')!;
    context.drawImage(document.querySelector('canvas')!, 0, 0, 16, 16);
    return [...context.getImageData(0, 0, 16, 16).data];
  });

describe('live page', () => {
  let browser: Browser;
  let server: Server;

  before(async function () {
    const opened = await openBrowser();
    if (!opened) return this.skip();
    browser = opened;
    server = await Server.start();
    await server.ready();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** A page that fails the test with the first error that its scripts throw. */
  async function open(path: string): Promise<{ page: Page; errors: string[] }> {
    const page = await browser.newPage({ viewport: { width: 1500, height: 900 } });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(server.address + path);
    return { page, errors };
  }

  it('shows a moving picture in its own proportions', async () => {
    const { page, errors } = await open('/streamdiffusion/live');
    await page.waitForSelector('canvas.live', { timeout: PATIENCE });
    assert.deepEqual(await page.evaluate(() => [document.querySelector('canvas')!.width, document.querySelector('canvas')!.height]), [256, 256]);
    const first = await pixels(page);
    assert.ok(new Set(first).size > 20, 'it is a picture, not one colour');
    await page.waitForTimeout(1500);
    assert.notDeepEqual(await pixels(page), first);
    const elsewhere = await page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => !name.startsWith(location.origin)).map(({ name }) => name));
    assert.deepEqual(elsewhere, [], 'nothing is loaded from elsewhere');
    await page.keyboard.press('f');
    await page.waitForFunction(() => document.fullscreenElement !== null);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it('lets each picture dissolve into the next, and keeps none of them', async () => {
    const page = await browser.newPage();
    await page.addInitScript(() => {
      const count = { made: 0, closed: 0 };
      Object.assign(window, { count });
      const make = createImageBitmap as (source: Blob) => Promise<ImageBitmap>;
      window.createImageBitmap = ((source: Blob) => (count.made++, make(source))) as typeof createImageBitmap;
      const { close } = ImageBitmap.prototype;
      ImageBitmap.prototype.close = function () {
        count.closed++;
        close.call(this);
      };
    });
    await page.goto(`${server.address}/streamdiffusion/live?fade=400`);
    await page.waitForFunction(() => (window as unknown as { count: { made: number } }).count.made > 20, undefined, { timeout: PATIENCE });
    const { made, closed } = await page.evaluate(() => (window as unknown as { count: { made: number; closed: number } }).count);
    assert.ok(made - closed <= 2, `${made} pictures, ${closed} of them let go`);
    assert.ok(new Set(await pixels(page)).size > 20, 'it is a picture, not one colour');
    await page.close();
  });

  it('comes back by itself after the server was away', async () => {
    const { page } = await open('/streamdiffusion/live');
    await page.waitForSelector('canvas.live', { timeout: PATIENCE });
    const { port } = new URL(server.address);
    await server.stop();
    await page.waitForFunction(() => /reconnecting/.test(document.getElementById('hint')!.textContent!), undefined, { timeout: PATIENCE });
    const last = await pixels(page);
    const left = await takeOneAndLeaveIt(Number(port));
    server = await Server.start([], { PORT: port });
    await server.ready();
    await page.waitForFunction(
      (old) => {
        const small = document.createElement('canvas');
        small.width = small.height = 16;
        const context = small.getContext('2d')!;
        context.drawImage(document.querySelector('canvas')!, 0, 0, 16, 16);
        return [...context.getImageData(0, 0, 16, 16).data].some((value, k) => value !== old[k]);
      },
      last,
      { timeout: PATIENCE },
    );
    assert.ok((await left.givenUp) < 15_000, 'an attempt that nobody answers is given up');
    await page.close();
  });
});
