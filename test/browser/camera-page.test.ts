import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { openPage, setStage, type WatchedPage } from '../lib/browser';
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
        let newest: number | undefined;
        addEventListener('picture', function take(event) {
          const { timestamp } = (event as CustomEvent<{ timestamp: number }>).detail;
          const isAsked = newest !== undefined;
          newest = timestamp;
          if (isAsked) return;
          // A picture is seen when it is painted on the screen, one frame of the display later; of several until then, the newest.
          requestAnimationFrame(() => {
            seen.ages.push(performance.timeOrigin + performance.now() - newest!);
            newest = undefined;
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

/** How old 60 pictures are that a page shows from now on. */
async function agesOn(page: Page) {
  const { codes, ages, times } = await picturesSeen(page, 60);
  const tick = (times[59] - times[0]) / 59;
  const [p50, p95] = [percentile(ages, 0.5), percentile(ages, 0.95)];
  // In ticks, the time from one picture to the next: a slow machine has longer ones, and only what queues up has more of them.
  // Camera, control map, two steps and decoder are a tick each at most.
  const isQueued = p50 >= Math.max(5.5 * tick, 150) || p95 >= Math.max(12 * tick, 600);
  return { youngest: ages[0], different: new Set(codes).size, tick, p50, p95, isQueued };
}

describe('camera page', () => {
  let folder: string;
  const stage = setStage({
    options: ['--example', 'Camera to page'],
    moves: true,
    open: async () => {
      folder = await mkdtemp(join(tmpdir(), 'camera-page-'));
      console.log(`      screenshots: ${folder}`);
    },
  });

  const open = (path: string, context: Browser | BrowserContext = stage.browser): Promise<WatchedPage> =>
    openPage(context, stage.server.address + path);
  const isPainted = (page: Page): Promise<unknown> => page.waitForSelector('canvas.live', { timeout: PATIENCE });
  /** Waits until a picture of this page's own camera is shown; another one may be left from earlier. */
  const showsItself = (page: Page): Promise<unknown> =>
    page.waitForFunction(() => /from camera to picture/.test(document.getElementById('numbers')!.innerText), undefined, {
      timeout: PATIENCE,
    });

  it('sends the camera through the engine; the result moves beside it and on the live page', async () => {
    const camera = await open(CAMERA);
    await camera.page.setViewportSize({ width: 1280, height: 720 });
    await camera.page.screenshot({ path: join(folder, 'before-start.png') });
    await camera.page.click('#start');
    // The engine may still load its nets.
    await camera.page.waitForSelector('canvas.live', { timeout: 3 * PATIENCE });
    const live = await open(LIVE);
    await isPainted(live.page);

    for (const [name, { page }] of [
      ['beside the camera', camera],
      ['live page', live],
    ] as const) {
      await page.bringToFront();
      // The first pictures wait for nets that run for the first time.
      await picturesSeen(page, 10);
      let seen = await agesOn(page);
      // A machine that stands still for a moment spoils one look, and frames that queue all of them.
      for (let looks = 1; seen.isQueued && looks < 3; looks++) seen = await agesOn(page);
      const { youngest, different, tick, p50, p95, isQueued } = seen;
      assert.ok(different > 45, `${name}: ${different} of 60 pictures differ`);
      const figures = `${Math.round(p50)} ms (median), ${Math.round(p95)} ms (p95): ${(p50 / tick).toFixed(1)} and ${(p95 / tick).toFixed(1)} ticks of ${Math.round(tick)} ms`;
      console.log(`      ${name}: from camera to picture ${figures}`);
      assert.ok(youngest > 0, `no picture is seen before it was taken: ${youngest} ms`);
      assert.ok(!isQueued, `frames queue, ${name}: ${figures}`);
      await page.screenshot({ path: join(folder, `${name}.png`) });
    }
    // The age is left out for a second in which none of its own pictures came.
    await camera.page.waitForFunction(() =>
      /^\d+ ms from camera to picture · \d+ painted · \d+ sent a second · 256 × 256$/.test(document.getElementById('numbers')!.innerText),
    );
    assert.deepEqual([...camera.errors, ...live.errors], []);
    await camera.page.close();
    await live.page.close();
  }).timeout(6 * PATIENCE);

  for (const [keeps, problem] of [
    [['upgrade', 'connection', 'host'], /header Upgrade.*proxy_set_header Upgrade/s],
    [['host'], /header Host.*proxy_set_header Host/s],
  ] as const) {
    it(`says behind a proxy that keeps ${keeps.join(', ')} to itself what to set there`, async () => {
      const proxy = await startKeepingProxy(stage.server.address, [...keeps]);
      const page = await stage.browser.newPage();
      page.setDefaultTimeout(PATIENCE);
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
      /** What is out of view, or too small to be seen and pressed. */
      const misfits = (): Promise<object[]> =>
        page.evaluate(
          ([w, h]) =>
            ['#mine .frame', '#result .frame', '#start', '#what', '#size', '#mirror']
              .map((selector) => {
                const { left, top, right, bottom } = document.querySelector(selector)!.getBoundingClientRect();
                return { selector, left, top, right, bottom };
              })
              .filter(
                ({ left, top, right, bottom }) =>
                  left < 0 || top < 0 || right > w + 0.5 || bottom > h + 0.5 || right - left <= 60 || bottom - top <= 30,
              ),
          [width, height],
        );
      let found = await misfits();
      for (const end = performance.now() + PATIENCE; found.length > 0 && performance.now() < end; found = await misfits())
        await page.waitForTimeout(100);
      assert.deepEqual(found, [], name);
      await page.screenshot({ path: join(folder, `phone ${name}.png`) });
    }
    assert.deepEqual(errors, []);
    await phone.close();
  });

  it('gives the place to the newest visitor, and says so to the one before', async () => {
    const first = await open(`${CAMERA}?start=camera`);
    await showsItself(first.page);
    const second = await open(`${CAMERA}?start=camera`);
    await first.page.waitForFunction(() => /Another camera/.test(document.getElementById('message')!.innerText), undefined, {
      timeout: PATIENCE,
    });
    assert.equal(await first.page.innerText('#start'), 'start');
    await showsItself(second.page);
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
    await showsItself(page);
    const { port } = new URL(stage.server.address);
    await stage.server.stop();
    await page.waitForFunction(() => /trying again/.test(document.getElementById('message')!.innerText), undefined, { timeout: PATIENCE });
    await page.evaluate(() => addEventListener('picture', () => document.body.classList.add('again'), { once: true }));
    const left = await takeOneAndLeaveIt(Number(port));
    stage.server = await Server.start(['--example', 'Camera to page'], { PORT: port });
    await stage.server.ready();
    await page.waitForSelector('body.sending.again', { timeout: PATIENCE });
    await page.waitForFunction(() => document.getElementById('message')!.innerText === '');
    assert.ok((await left.givenUp) < PATIENCE / 2, 'an attempt that nobody answers is given up');
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
