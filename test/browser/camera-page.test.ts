import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { FAKE_CAMERA, openPage, setStage, type WatchedPage } from '../lib/browser';
import { startKeepingProxy } from '../lib/keeping-proxy';
import { Server, takeOneAndLeaveIt } from '../lib/server';
import { PATIENCE } from '../lib/until';

const CAMERA = '/streamdiffusion/live/camera';
const LIVE = '/streamdiffusion/live';

interface Seen {
  codes: number[];
  ages: number[];
  /** When each was seen, ms. */
  times: number[];
}

/** How the pictures that a page shows from now on differ: a number for each, by its colours; and how old each is, ms. */
async function picturesSeen(page: Page, count: number): Promise<Seen> {
  return page.evaluate(
    (wanted) =>
      new Promise<Seen>((resolve) => {
        const small = new OffscreenCanvas(16, 16).getContext('2d')!;
        const seen = { codes: [] as number[], ages: [] as number[], times: [] as number[] };
        addEventListener('picture', function take(event) {
          const { timestamp } = (event as CustomEvent<{ timestamp: number }>).detail;
          // A picture is seen when it is painted on the screen, one frame of the display later.
          requestAnimationFrame(() => {
            seen.ages.push(performance.timeOrigin + performance.now() - timestamp);
            seen.times.push(performance.now());
            small.drawImage(document.querySelector('canvas')!, 0, 0, 16, 16);
            seen.codes.push(small.getImageData(0, 0, 16, 16).data.reduce((sum, value, k) => (sum * 31 + value * (k + 1)) % 1e9, 0));
            if (seen.codes.length < wanted) return;
            removeEventListener('picture', take);
            resolve(seen);
          });
        });
      }),
    count,
  );
}

const percentile = (values: number[], share: number): number => values.sort((a, b) => a - b)[Math.floor(values.length * share)];

describe('camera page', () => {
  let folder: string;
  const stage = setStage({
    options: ['--example', 'Camera to page'],
    browserArguments: FAKE_CAMERA,
    open: async () => {
      folder = await mkdtemp(join(tmpdir(), 'camera-page-'));
      console.log(`      screenshots: ${folder}`);
    },
  });

  const open = (path: string, context: Browser | BrowserContext = stage.browser): Promise<WatchedPage> =>
    openPage(context, stage.server.address + path);
  const isPainted = (page: Page): Promise<unknown> => page.waitForSelector('canvas.live', { timeout: PATIENCE });

  it('sends the camera through the engine; the result moves beside it and on the live page', async () => {
    const camera = await open(CAMERA);
    await camera.page.setViewportSize({ width: 1280, height: 720 });
    await camera.page.screenshot({ path: join(folder, 'before-start.png') });
    await camera.page.click('#start');
    await isPainted(camera.page);
    const live = await open(LIVE);
    await isPainted(live.page);

    for (const [name, { page }] of [
      ['beside the camera', camera],
      ['live page', live],
    ] as const) {
      await page.bringToFront();
      // The first pictures wait for nets that run for the first time.
      await picturesSeen(page, 10);
      const { codes, ages, times } = await picturesSeen(page, 60);
      assert.ok(new Set(codes).size > 45, `${name}: ${new Set(codes).size} of 60 pictures differ`);
      const tick = (times[59] - times[0]) / 59;
      const [p50, p95] = [percentile(ages, 0.5), percentile(ages, 0.95)];
      console.log(
        `      ${name}: from camera to picture ${Math.round(p50)} ms (median), ${Math.round(p95)} ms (p95): ${(p50 / tick).toFixed(1)} and ${(p95 / tick).toFixed(1)} ticks of ${Math.round(tick)} ms`,
      );
      assert.ok(
        ages.every((age) => age > 0),
        `no picture is seen before it was taken: ${ages}`,
      );
      // In ticks, the time from one picture to the next: a slow machine has longer ones, and only what queues up has more of them.
      // Camera, control map, two steps and decoder are a tick each at most.
      assert.ok(p50 < Math.max(5.5 * tick, 150), `frames queue: a picture is ${p50} ms old, ${p50 / tick} ticks`);
      assert.ok(p95 < Math.max(12 * tick, 600), `frames queue: pictures are up to ${p95} ms old, ${p95 / tick} ticks`);
      await page.screenshot({ path: join(folder, `${name}.png`) });
    }
    assert.match(await camera.page.innerText('#numbers'), /^\d+ ms from camera to picture · \d+ painted · \d+ sent a second · 256 × 256$/);
    assert.deepEqual([...camera.errors, ...live.errors], []);
    await camera.page.close();
    await live.page.close();
  });

  for (const [keeps, problem] of [
    [['upgrade', 'connection', 'host'], /header Upgrade.*proxy_set_header Upgrade/s],
    [['host'], /header Host.*proxy_set_header Host/s],
  ] as const) {
    it(`says behind a proxy that keeps ${keeps.join(', ')} to itself what to set there`, async () => {
      const proxy = await startKeepingProxy(stage.server.address, [...keeps]);
      const page = await stage.browser.newPage();
      try {
        await page.goto(`${proxy.address}${CAMERA}?start=camera`);
        await page.waitForFunction(
          ([words]) => new RegExp(words, 's').test(document.querySelector('#message')!.textContent),
          [problem.source],
          { timeout: PATIENCE },
        );
        await page.screenshot({ path: join(folder, `behind a proxy without ${keeps[0]}.png`) });
      } finally {
        await page.close();
        proxy.stop();
      }
    });
  }

  it('sends what was chosen: a size, mirrored, without a press', async () => {
    const { page, errors } = await open(`${CAMERA}?start=camera&mirror&size=384x256`);
    await isPainted(page);
    const sent = await page.evaluate(
      () =>
        new Promise<[number, number]>((resolve) => {
          const { send } = WebSocket.prototype;
          WebSocket.prototype.send = function (data) {
            send.call(this, data);
            if (typeof data !== 'string')
              void createImageBitmap(new Blob([data as ArrayBuffer])).then(({ width, height }) => resolve([width, height]));
          };
        }),
    );
    assert.deepEqual(sent, [384, 256]);
    assert.equal(await page.getAttribute('#mirror', 'aria-pressed'), 'true');
    assert.match(await page.evaluate(() => getComputedStyle(document.querySelector('video')!).transform), /matrix\(-1/);
    await page.click('#start');
    assert.equal(await page.evaluate(() => document.querySelector('video')!.srcObject), null, 'stop gives the camera back');
    assert.deepEqual(errors, []);
    await page.close();
  });

  it('fits a phone, upright and on its side', async () => {
    const phone = await stage.browser.newContext({
      viewport: { width: 390, height: 760 },
      deviceScaleFactor: 2,
      isMobile: true,
      hasTouch: true,
    });
    const { page, errors } = await open(`${CAMERA}?start=camera`, phone);
    await isPainted(page);
    for (const [name, width, height] of [
      ['upright', 390, 760],
      ['on its side', 760, 390],
    ] as const) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(700);
      const boxes = await page.evaluate(() =>
        ['#mine .frame', '#result .frame', '#start', '#what', '#size', '#mirror'].map((selector) => {
          const { left, top, right, bottom } = document.querySelector(selector)!.getBoundingClientRect();
          return { selector, left, top, right, bottom };
        }),
      );
      for (const box of boxes) {
        assert.ok(
          box.left >= 0 && box.top >= 0 && box.right <= width + 0.5 && box.bottom <= height + 0.5,
          `${name}: ${JSON.stringify(box)}`,
        );
        assert.ok(box.right - box.left > 60 && box.bottom - box.top > 30, `${name}: ${box.selector} can be seen and pressed`);
      }
      await page.screenshot({ path: join(folder, `phone ${name}.png`) });
    }
    assert.deepEqual(errors, []);
    await phone.close();
  });

  it('gives the place to the newest visitor, and says so to the one before', async () => {
    const first = await open(`${CAMERA}?start=camera`);
    await isPainted(first.page);
    const second = await open(`${CAMERA}?start=camera`);
    await first.page.waitForFunction(() => /Another camera/.test(document.getElementById('message')!.innerText), undefined, {
      timeout: PATIENCE,
    });
    assert.equal(await first.page.innerText('#start'), 'start');
    await isPainted(second.page);
    await first.page.screenshot({ path: join(folder, 'taken over.png') });
    await first.page.click('#start');
    await second.page.waitForFunction(() => /Another camera/.test(document.getElementById('message')!.innerText), undefined, {
      timeout: PATIENCE,
    });
    await first.page.close();
    await second.page.close();
  });

  it('goes on by itself after the server was away', async () => {
    const { page } = await open(`${CAMERA}?start=camera`);
    await isPainted(page);
    const { port } = new URL(stage.server.address);
    await stage.server.stop();
    await page.waitForFunction(() => /trying again/.test(document.getElementById('message')!.innerText), undefined, { timeout: PATIENCE });
    await page.evaluate(() => addEventListener('picture', () => document.body.classList.add('again'), { once: true }));
    const left = await takeOneAndLeaveIt(Number(port));
    stage.server = await Server.start(['--example', 'Camera to page'], { PORT: port });
    await stage.server.ready();
    await page.waitForSelector('body.sending.again', { timeout: PATIENCE });
    await page.waitForFunction(() => document.getElementById('message')!.innerText === '');
    assert.ok((await left.givenUp) < 15_000, 'an attempt that nobody answers is given up');
    await page.close();
  });

  it('says in plain words that cameras need HTTPS, and what to do', async () => {
    const { page } = await open('/streamdiffusion/live');
    // A page at an address that is neither https nor this machine's gets no mediaDevices.
    await page.addInitScript(() => {
      Object.defineProperty(navigator, 'mediaDevices', { value: undefined });
      Object.defineProperty(window, 'isSecureContext', { value: false });
    });
    await page.goto(stage.server.address + CAMERA);
    assert.match(await page.innerText('#message'), /needs HTTPS[\s\S]*localhost[\s\S]*Put Node-RED behind HTTPS/);
    assert.equal(await page.isDisabled('#start'), true);
    await page.screenshot({ path: join(folder, 'no https.png') });
    await page.close();
  });

  it('says so when the camera is refused, and goes on at the next press', async () => {
    const { page } = await open('/streamdiffusion/live');
    await page.addInitScript(() => {
      const { mediaDevices } = navigator;
      const ask = mediaDevices.getUserMedia.bind(mediaDevices);
      let asked = 0;
      mediaDevices.getUserMedia = (wish) =>
        asked++ === 0 ? Promise.reject(new DOMException('Permission denied', 'NotAllowedError')) : ask(wish);
    });
    await page.goto(stage.server.address + CAMERA);
    await page.click('#start');
    await page.waitForFunction(() => /not allowed/.test(document.getElementById('message')!.innerText));
    await page.screenshot({ path: join(folder, 'refused.png') });
    await page.click('#start');
    await page.waitForSelector('body.sending');
    await page.waitForFunction(() => document.getElementById('message')!.innerText === '');
    await page.close();
  });
});
