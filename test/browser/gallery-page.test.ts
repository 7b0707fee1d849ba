import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { seriousFindings } from '../lib/axe';
import { keepScreenshot, openPage, setStage, type WatchedPage } from '../lib/browser';
import { textsOf } from '../lib/pages';
import { readCode } from '../lib/qr';
import type { Server } from '../lib/server';
import { PATIENCE, answered } from '../lib/until';

const GALLERY = '/streamdiffusion/house/gallery';
const SIZES = [
  [390, 844],
  [1280, 800],
  [1920, 1080],
] as const;

/** Presses the example's button, until a picture was taken: there is none before the first one is painted. */
async function takePicture(server: Server, headers: Record<string, string> = {}): Promise<void> {
  const press = (): Promise<Response> => fetch(`${server.address}/inject/house-take`, { method: 'POST', headers });
  await answered(() => fetch(`${server.address}/streamdiffusion/house.jpg`));
  assert.equal((await press()).status, 200);
}
const shows = (page: Page, count: number): Promise<unknown> =>
  page.waitForFunction((wanted) => document.querySelectorAll('#pictures li').length === wanted, count, { timeout: PATIENCE });
const loaded = (page: Page, selector: string): Promise<unknown> =>
  page.waitForFunction(
    (wanted) => [...document.querySelectorAll<HTMLImageElement>(wanted)].some((image) => image.complete && image.naturalWidth > 0),
    selector,
    { timeout: PATIENCE },
  );

describe('gallery in a browser', () => {
  const stage = setStage({ options: ['--example', '23'], open: async ({ server }) => takePicture(server) });
  const open = (viewport = { width: 1280, height: 800 }): Promise<WatchedPage> =>
    openPage(stage.browser, stage.server.address + GALLERY, viewport);

  it('shows a picture that is taken while it is open, and its code leads a phone to it', async () => {
    const { page, errors } = await open();
    await shows(page, 1);
    await takePicture(stage.server);
    await shows(page, 2);
    await loaded(page, '.picture');
    await loaded(page, '.code');
    const address = await readCode(await page.locator('.code').first().screenshot());
    assert.equal(
      address,
      await page
        .locator('#pictures a')
        .first()
        .evaluate((link) => (link as HTMLAnchorElement).href),
    );
    await keepScreenshot(page, 'gallery');
    assert.deepEqual(errors, []);
    await page.close();

    const phone = await stage.browser.newContext({
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      acceptDownloads: true,
      locale: 'en-GB',
    });
    const taken = await openPage(phone, address!);
    await loaded(taken.page, '#picture');
    assert.match(await taken.page.innerText('#until'), /kept here until/);
    const [download] = await Promise.all([taken.page.waitForEvent('download', { timeout: PATIENCE }), taken.page.tap('#save')]);
    assert.match(download.suggestedFilename(), /^house .*\.jpg$/);
    assert.deepEqual(await seriousFindings(taken.page), []);
    await keepScreenshot(taken.page, 'gallery-take');
    assert.deepEqual(taken.errors, []);
    await phone.close();
  });

  it('is tidied up by those who may change flows', async () => {
    const { page, errors } = await open();
    await shows(page, 2);
    assert.equal(await page.locator('.remove:visible').count(), 0);
    await page.click('#tidy');
    await page.locator('.remove:visible').first().click({ timeout: PATIENCE });
    await shows(page, 1);
    assert.deepEqual(await seriousFindings(page), []);
    assert.deepEqual(errors, []);
    await page.close();
  });

  for (const [language, locale] of Object.entries({ en: 'en-GB', de: 'de-AT', ja: 'ja-JP', zh: 'zh-CN' })) {
    it(`speaks ${language}, and has room on a phone, a laptop and a projector`, async () => {
      const texts = textsOf(language);
      const context = await stage.browser.newContext({ locale });
      for (const [width, height] of SIZES) {
        const { page, errors } = await openPage(context, stage.server.address + GALLERY, { width, height });
        await shows(page, 1);
        await loaded(page, '.picture');
        assert.ok((await page.innerText('h1')).includes(texts.gallery));
        assert.equal(await page.innerText('#say'), texts.takeHome);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
        assert.deepEqual(await seriousFindings(page), []);
        await keepScreenshot(page, `gallery-${language}-${width}`);
        const taken = await openPage(context, (await page.locator('#pictures a').first().getAttribute('href'))!, { width, height });
        await loaded(taken.page, '#picture');
        assert.equal(await taken.page.innerText('h1'), texts.yourPicture);
        assert.ok((await taken.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
        assert.deepEqual([...errors, ...taken.errors], []);
        await Promise.all([page.close(), taken.page.close()]);
      }
      await context.close();
    });
  }
});

describe('gallery behind the login of the editor', () => {
  const stage = setStage({
    options: ['--example', '23'],
    moves: true,
    prepare: async () => {
      const { hash } = (await import('bcryptjs' as string)) as { hash: (password: string, rounds: number) => Promise<string> };
      return { NODE_RED_USER: 'curator', NODE_RED_PASSWORD_HASH: await hash('secret', 8) };
    },
  });
  const LOGIN = { username: 'curator', password: 'secret' };

  it('keeps its login open, and what is typed there, while it looks for new pictures; it can be left', async () => {
    const context = await stage.browser.newContext({ httpCredentials: LOGIN, locale: 'en-GB' });
    const { page } = await openPage(context, stage.server.address + GALLERY, { width: 390, height: 844 });
    await page.waitForFunction((empty) => document.getElementById('say')?.textContent === empty, textsOf('en').galleryEmpty, {
      timeout: PATIENCE,
    });
    const isTidying = (): Promise<string | null> => page.getAttribute('#tidy', 'aria-pressed');
    await page.click('#tidy');
    await page.waitForSelector('#login[open]', { timeout: PATIENCE });
    await page.fill('#user', 'cura');
    await page.evaluate('look()');
    assert.equal(await page.locator('#login[open]').count(), 1, 'the list came, which needs no login');
    assert.equal(await page.inputValue('#user'), 'cura');
    assert.deepEqual(await seriousFindings(page), []);
    await page.click('#leave');
    assert.equal(await page.locator('#login[open]').count(), 0);
    assert.equal(await isTidying(), 'false');
    await page.click('#tidy');
    await page.waitForSelector('#login[open]', { timeout: PATIENCE });
    await page.fill('#user', 'curator');
    await page.fill('#password', 'secret');
    await page.click('#enter');
    await page.waitForSelector('#tidy[aria-pressed="true"]', { timeout: PATIENCE });
    assert.equal(await page.locator('#login[open]').count(), 0);
    await context.close();
  });

  it('lists nothing without it, everything with it, and deletes', async () => {
    const { address } = stage.server;
    const auth = { Authorization: `Basic ${Buffer.from('curator:secret').toString('base64')}` };
    const body = new URLSearchParams({ client_id: 'node-red-admin', grant_type: 'password', scope: '*', ...LOGIN });
    const { access_token: token } = (await (await fetch(`${address}/auth/token`, { method: 'POST', body })).json()) as {
      access_token: string;
    };
    const editor = { Authorization: `Bearer ${token}` };
    const flow = (await (await fetch(`${address}/flows`, { headers: editor })).json()) as { type: string }[];
    const guarded = flow.map((node) => (node.type === 'streamdiffusion-sink' ? { ...node, gallery: 'login' } : node));
    const headers = { ...editor, 'Content-Type': 'application/json' };
    await fetch(`${address}/flows`, { method: 'POST', headers, body: JSON.stringify(guarded) });
    await answered(() => fetch(`${address}${GALLERY}/list`, { headers: auth }), 401);
    await answered(() => fetch(`${address}/streamdiffusion/house.jpg`, { headers: auth }));
    assert.equal((await fetch(`${address}/inject/house-take`, { method: 'POST', headers: editor })).status, 200);

    const context = await stage.browser.newContext({ httpCredentials: LOGIN, locale: 'en-GB' });
    const { page } = await openPage(context, address + GALLERY, { width: 1024, height: 768 });
    await page.waitForSelector('#login[open]', { timeout: PATIENCE });
    assert.equal(await page.locator('#pictures li').count(), 0);
    assert.deepEqual(await seriousFindings(page), []);
    await keepScreenshot(page, 'gallery-login');
    await page.fill('#user', 'curator');
    await page.fill('#password', 'secret');
    await page.evaluate('look()');
    assert.equal(await page.inputValue('#user'), 'curator', 'who types is not interrupted');
    assert.equal(await page.locator('#leave:visible').count(), 0, 'there is nothing behind it');
    await page.click('#enter');
    await shows(page, 1);
    await page.click('#tidy');
    await page.locator('.remove:visible').first().click({ timeout: PATIENCE });
    await shows(page, 0);
    assert.equal(await page.innerText('#say'), textsOf('en').galleryEmpty);
    await context.close();
  });
});
