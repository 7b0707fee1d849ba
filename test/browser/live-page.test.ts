import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { openPage, setStage, type WatchedPage } from '../lib/browser';
import { Editor } from '../lib/editor';
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
/** Waits until a canvas shows something else. */
const changesFrom = (page: Page, before: number[]): Promise<unknown> =>
  page.waitForFunction(
    (old) => {
      const small = document.createElement('canvas');
      small.width = small.height = 16;
      const context = small.getContext('2d')!;
      context.drawImage(document.querySelector('canvas')!, 0, 0, 16, 16);
      return [...context.getImageData(0, 0, 16, 16).data].some((value, k) => value !== old[k]);
    },
    before,
    { timeout: PATIENCE },
  );

describe('live page', () => {
  const stage = setStage({ moves: true });
  const open = (path: string): Promise<WatchedPage> => openPage(stage.browser, stage.server.address + path, { width: 1500, height: 900 });

  it('shows a moving picture in its own proportions', async () => {
    const { page, errors } = await open('/streamdiffusion/live');
    await page.waitForSelector('canvas.live', { timeout: PATIENCE });
    assert.deepEqual(
      await page.evaluate(() => [document.querySelector('canvas')!.width, document.querySelector('canvas')!.height]),
      [256, 256],
    );
    const first = await pixels(page);
    assert.ok(new Set(first).size > 20, 'it is a picture, not one colour');
    await changesFrom(page, first);
    const elsewhere = await page.evaluate(() =>
      performance
        .getEntriesByType('resource')
        .filter(({ name }) => !name.startsWith(location.origin))
        .map(({ name }) => name),
    );
    assert.deepEqual(elsewhere, [], 'nothing is loaded from elsewhere');
    await page.keyboard.press('f');
    await page.waitForFunction(() => document.fullscreenElement !== null);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it('shows words and buttons to who moves the pointer, and over a picture that nobody touches none', async () => {
    const shown = (page: Page): Promise<string[]> => page.evaluate('shown()');
    // The sink waits for its first picture, and the words for both of its lines.
    const waiting = async (query: string): Promise<Page> => {
      const { page } = await open(`/streamdiffusion/live${query}`);
      await page.evaluate(() => {
        document.body.classList.remove('seen');
        document.getElementById('hint')!.classList.add('shown');
        const shown = (): string[] =>
          ['waiting', 'hint', 'full'].filter((id) => {
            for (let part: Element | null = document.getElementById(id); part; part = part.parentElement)
              if (getComputedStyle(part).opacity !== '1') return false;
            return true;
          });
        Object.assign(window, { shown });
        // After the page's own listener, and before its words go again.
        addEventListener('pointermove', () => Object.assign(window, { shownOnMove: shown() }));
      });
      await page.addStyleTag({ content: '* { transition: none !important; }' });
      return page;
    };
    const page = await waiting('');
    assert.deepEqual(
      (await shown(page)).filter((id) => id !== 'waiting'),
      [],
    );
    await page.mouse.move(300, 300);
    await page.mouse.move(310, 300);
    await page.waitForFunction('window.shownOnMove');
    assert.deepEqual(
      (await page.evaluate<string[]>('shownOnMove')).filter((id) => id !== 'waiting'),
      ['hint', 'full'],
    );
    await page.close();
    const always = await waiting('?hints=1');
    assert.deepEqual(
      (await shown(always)).filter((id) => id !== 'waiting'),
      ['hint'],
    );
    await always.close();
  });

  it('lets each picture dissolve into the next, and keeps none of them', async () => {
    const page = await stage.browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.addInitScript(() => {
      const count = { made: 0, closed: 0 };
      Object.assign(window, { count });
      const make = createImageBitmap as (source: Blob) => Promise<ImageBitmap>;
      window.createImageBitmap = ((source: Blob) => {
        count.made++;
        return make(source);
      }) as typeof createImageBitmap;
      const { close } = ImageBitmap.prototype;
      ImageBitmap.prototype.close = function () {
        count.closed++;
        close.call(this);
      };
    });
    await page.goto(`${stage.server.address}/streamdiffusion/live?fade=400`);
    await page.waitForFunction(() => (window as unknown as { count: { made: number } }).count.made > 20, undefined, { timeout: PATIENCE });
    const { made, closed } = await page.evaluate(() => (window as unknown as { count: { made: number; closed: number } }).count);
    assert.ok(made - closed <= 2, `${made} pictures, ${closed} of them let go`);
    assert.ok(new Set(await pixels(page)).size > 20, 'it is a picture, not one colour');
    await page.close();
  });

  it('is painted at once by a denoiser that rested, and so are the small pictures in the editor', async () => {
    await stage.server.change('streamdiffusion-denoiser', { restUnseen: true });
    const painted = async (): Promise<number> => {
      const { engines } = (await (await fetch(`${stage.server.address}/streamdiffusion/health`)).json()) as {
        engines: { streams: { out: number }[] }[];
      };
      return engines.flatMap(({ streams }) => streams).reduce((sum, { out }) => sum + out, 0);
    };
    const rests = async (): Promise<number> => {
      const deadline = performance.now() + PATIENCE;
      for (let before = -1; ; ) {
        const now = await painted();
        if (now === before) return now;
        assert.ok(performance.now() < deadline, 'it does not rest');
        before = now;
        await new Promise((resolve) => setTimeout(resolve, 1500));
      }
    };
    const before = await rests();
    const opened = performance.now();
    const { page, errors } = await open('/streamdiffusion/live');
    await page.waitForSelector('canvas.live', { timeout: PATIENCE });
    console.log(`      first picture ${Math.round(performance.now() - opened)} ms after the page was opened`);
    const first = await pixels(page);
    assert.ok(new Set(first).size > 20, 'it is a picture, not one colour');
    await changesFrom(page, first);
    assert.ok((await painted()) > before);
    await page.close();

    await rests();
    const editor = await Editor.open(stage.browser, stage.server);
    // The status comes after the flow.
    await editor.page.waitForFunction(
      () => /resting, nobody looks/.test(document.getElementById('red-ui-workspace-chart')!.textContent!),
      undefined,
      { timeout: PATIENCE },
    );
    await editor.red((RED) => RED.sidebar.show('streamdiffusion'));
    await editor.page.waitForFunction(
      () => /\d frames a second/.test((document.querySelector('.streamdiffusion-stream') as HTMLElement | null)?.innerText ?? ''),
      undefined,
      { timeout: PATIENCE },
    );
    assert.deepEqual([...errors, ...editor.errors], []);
    await editor.page.close();
  });

  it('comes back by itself after the server was away', async () => {
    const { page } = await open('/streamdiffusion/live');
    await page.waitForSelector('canvas.live', { timeout: PATIENCE });
    const { port } = new URL(stage.server.address);
    await stage.server.stop();
    await page.waitForFunction(() => /reconnecting/.test(document.getElementById('hint')!.textContent!), undefined, { timeout: PATIENCE });
    const last = await pixels(page);
    const left = await takeOneAndLeaveIt(Number(port));
    stage.server = await Server.start([], { PORT: port });
    await stage.server.ready();
    await changesFrom(page, last);
    assert.ok((await left.givenUp) < PATIENCE / 2, 'an attempt that nobody answers is given up');
    await page.close();
  });
});
