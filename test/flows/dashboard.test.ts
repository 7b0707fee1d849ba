import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { keepScreenshot, openBrowser } from '../lib/browser';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { newestPicture } from '../lib/sink-picture';
import { PATIENCE, eventually } from '../lib/until';

const VERSION = '1.31.0';
/** Dashboard 2 has 135 MB with what it needs: too much for everybody who builds this package, so it is fetched once. */
const CACHE = join(tmpdir(), `streamdiffusion-dashboard-${VERSION}`);

/** Says why it could not be had; nothing when it is there. */
async function fetchDashboard(): Promise<string | undefined> {
  const done = join(CACHE, 'done');
  if (existsSync(done)) return undefined;
  await mkdir(CACHE, { recursive: true });
  const args = [
    'install',
    '--prefix',
    CACHE,
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--fetch-retries=0',
    `@flowfuse/node-red-dashboard@${VERSION}`,
  ];
  const problem = await promisify(execFile)('npm', args, { timeout: 100_000, cwd: CACHE }).then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (problem === undefined) await writeFile(done, '');
  return problem;
}

describe('the example with a panel of Dashboard 2', function () {
  this.timeout(5 * PATIENCE);
  let browser: Browser;
  let server: Server;
  let page: Page;
  const errors: string[] = [];

  before(async function () {
    const problem = await fetchDashboard();
    if (problem !== undefined) {
      console.log(`    skipped: npm could not fetch Dashboard 2: ${problem.split('\n')[0]}`);
      return this.skip();
    }
    const opened = await openBrowser();
    if (!opened) return this.skip();
    browser = opened;
    const folder = await mkdtemp(join(tmpdir(), 'dashboard-'));
    await copyFile(join(ROOT, 'examples/With Dashboard 2/10 - Dashboard panel.json'), join(folder, 'flows.json'));
    await symlink(join(CACHE, 'node_modules'), join(folder, 'node_modules'));
    await copyFile(join(CACHE, 'package.json'), join(folder, 'package.json'));
    server = await Server.start(['--user-dir', folder]);
    await server.ready();
    page = await browser.newPage({ viewport: { width: 1200, height: 720 } });
    page.setDefaultTimeout(PATIENCE);
    page.on('pageerror', ({ message }) => errors.push(message));
    await page.goto(`${server.address}/dashboard/panel`);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  it('shows the live picture, what the flow is set to, and how fast it goes', async () => {
    await page.waitForFunction(
      () => (document.querySelector('img[alt="the live picture"]') as HTMLImageElement | null)?.naturalWidth === 256,
      undefined,
      { timeout: PATIENCE },
    );
    await page.waitForFunction(() => /\d+ pictures a second, \d+ ms old/.test(document.body.innerText), undefined, { timeout: PATIENCE });
    const shown = (): Promise<unknown[]> =>
      page.evaluate(() => [
        document.querySelector<HTMLInputElement>('input[type="text"]')?.value,
        document.querySelector('[role="slider"]')?.getAttribute('aria-valuenow'),
        document.querySelector<HTMLInputElement>('.v-switch input')?.checked,
      ]);
    const wanted = ['sunset over the sea', '0.65', true];
    // Each widget hears of its value by itself, and after it is there.
    let seen: unknown[] = [];
    await eventually(
      async () => {
        seen = await shown();
        return isDeepStrictEqual(seen, wanted);
      },
      PATIENCE,
      () => `${JSON.stringify(seen)} is shown`,
    );
    await keepScreenshot(page, 'dashboard');
    await page.setViewportSize({ width: 390, height: 760 });
    await page.waitForTimeout(500);
    await keepScreenshot(page, 'dashboard-phone');
    await page.setViewportSize({ width: 1200, height: 720 });
    assert.deepEqual(errors, []);
  });

  it('stops and starts painting, with another prompt and strength', async () => {
    const changes = async (): Promise<boolean> => {
      const one = await newestPicture(server, 'panel');
      await page.waitForTimeout(1500);
      return !one.equals(await newestPicture(server, 'panel'));
    };
    const moves = (wanted: boolean): Promise<void> => eventually(async () => (await changes()) === wanted);
    const flip = (): Promise<void> => page.locator('.nrdb-switch input, .v-switch input').first().click();
    await moves(true);
    await flip();
    await moves(false);
    const resting = await newestPicture(server, 'panel');
    await page.fill('input[type="text"]', 'night, aurora, snow');
    await page.keyboard.press('Enter');
    await page.locator('[role="slider"]').first().press('Home');
    await flip();
    await moves(true);
    assert.ok(!resting.equals(await newestPicture(server, 'panel')));
    assert.doesNotMatch(server.output, /\[(error|warn)\].*streamdiffusion/);
  });
});
