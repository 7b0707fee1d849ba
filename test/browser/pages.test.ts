import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { seriousFindings } from '../lib/axe';
import { keepScreenshot, setStage } from '../lib/browser';
import { readCode } from '../lib/qr';
import { textsOf } from '../lib/pages';
import { PATIENCE } from '../lib/until';

const LANGUAGES = { en: 'en-GB', de: 'de-AT', ja: 'ja-JP', zh: 'zh-CN' } as const;
const ENGLISH = textsOf('en');

describe('pages for visitors', () => {
  const stage = setStage({ options: ['--example', '04'] });

  for (const [language, locale] of Object.entries(LANGUAGES)) {
    describe(`in ${language}`, () => {
      const texts = textsOf(language);
      const open = async (path: string): Promise<{ page: Page; errors: string[]; close: () => Promise<void> }> => {
        const context = await stage.browser.newContext({ locale, viewport: { width: 1280, height: 800 }, permissions: ['camera'] });
        const page = await context.newPage();
        page.setDefaultTimeout(PATIENCE);
        const errors: string[] = [];
        page.on('pageerror', (error) => errors.push(error.message));
        await page.goto(`${stage.server.address}/streamdiffusion${path}`);
        assert.equal(await page.getAttribute('html', 'lang'), language);
        return { page, errors, close: () => context.close() };
      };

      /** Nothing is left in English, but for names and what is the same in both languages. */
      async function speaks(page: Page): Promise<void> {
        const shown = (await page.locator('body').innerText()).split('\n').map((line) => line.trim());
        const foreign = Object.keys(ENGLISH).filter(
          (key) => !ENGLISH[key].includes('__') && texts[key] !== ENGLISH[key] && shown.includes(ENGLISH[key]),
        );
        assert.deepEqual(language === 'en' ? [] : foreign, []);
      }

      it('the list shows live and camera pages with pictures and codes', async () => {
        const { page, errors, close } = await open('/');
        assert.equal(await page.innerText('h1'), texts.pages);
        assert.deepEqual(await page.locator('li strong').allInnerTexts(), ['live', 'live']);
        assert.deepEqual(await page.locator('li a').evaluateAll((all) => all.map((a) => new URL((a as HTMLAnchorElement).href).pathname)), [
          '/streamdiffusion/live',
          '/streamdiffusion/live/camera',
        ]);
        await page.waitForFunction(
          () => [...document.querySelectorAll<HTMLImageElement>('.code')].every((code) => code.complete && code.naturalWidth > 0),
          undefined,
          { timeout: PATIENCE },
        );
        const codes = page.locator('.code');
        for (const [k, path] of ['/live', '/live/camera'].entries())
          assert.equal(await readCode(await codes.nth(k).screenshot()), `${stage.server.address}/streamdiffusion${path}`);
        assert.ok(await page.locator('#here').isVisible(), 'says that 127.0.0.1 is not an address for a phone');
        await speaks(page);
        assert.deepEqual(await seriousFindings(page), []);
        await keepScreenshot(page, `pages-${language}`);
        assert.deepEqual(errors, []);
        await close();
      });

      it('the live page', async () => {
        const { page, errors, close } = await open('/live?hints=1');
        // Buttons that are half faded in or out can hardly be read.
        await page.addStyleTag({ content: '* { transition: none !important; }' });
        await page.mouse.move(300, 300);
        await page.mouse.move(310, 310);
        assert.equal((await page.innerText('#fit')).trim(), texts.fill);
        assert.equal(await page.getAttribute('canvas', 'aria-label'), texts.picture.replace('__name__', 'live'));
        await speaks(page);
        assert.deepEqual(await seriousFindings(page), []);
        await keepScreenshot(page, `live-${language}`);
        assert.deepEqual(errors, []);
        await close();
      });

      it('the camera page, before and while it sends', async () => {
        const { page, errors, close } = await open('/live/camera');
        assert.equal(await page.innerText('#start'), texts.start);
        await speaks(page);
        assert.deepEqual(await seriousFindings(page), []);
        await keepScreenshot(page, `camera-${language}`);
        await page.click('#start');
        const [sent] = texts.sent.split('__number__').filter(Boolean);
        await page.waitForFunction((part) => document.getElementById('numbers')!.innerText.includes(part), sent.trim(), {
          timeout: PATIENCE,
        });
        assert.equal(await page.innerText('#start'), texts.stop);
        await speaks(page);
        assert.deepEqual(await seriousFindings(page), []);
        await keepScreenshot(page, `camera-sending-${language}`);
        assert.deepEqual(errors, []);
        await close();
      });
    });
  }
});
