import assert from 'node:assert/strict';
import { keepScreenshot, openPage, setStage } from '../lib/browser';
import { seriousFindings } from '../lib/axe';
import { textsOf } from '../lib/pages';
import { PATIENCE } from '../lib/until';

describe("page for visitors' prompts, on a phone", () => {
  const stage = setStage({ options: ['--example', '19'] });

  it('suggests words, tells the place in the queue, and paints the wish', async () => {
    const context = await stage.browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, locale: 'en-GB' });
    const { page, errors } = await openPage(context, `${stage.server.address}/streamdiffusion/guests/wish`);
    await page.waitForFunction(() => document.querySelectorAll('#words button').length > 10, undefined, { timeout: PATIENCE });
    await page.fill('#wish', 'night, auro');
    await page.tap('#words button');
    assert.equal(await page.inputValue('#wish'), 'night, aurora');
    await page.tap('#send');
    await page.waitForFunction((words) => document.getElementById('answer')!.textContent === words, textsOf('en').wishShown, {
      timeout: PATIENCE,
    });
    await keepScreenshot(page, 'wish-shown');
    assert.equal(await page.inputValue('#wish'), '');
    await page.reload();
    await page.waitForFunction((words) => document.getElementById('answer')!.textContent === words, textsOf('en').wishShown, {
      timeout: PATIENCE,
    });
    await page.fill('#wish', 'something else entirely');
    await page.press('#wish', 'Enter');
    await page.waitForFunction((words) => document.getElementById('answer')!.textContent === words, textsOf('en').wishRefused, {
      timeout: PATIENCE,
    });
    assert.deepEqual(errors, []);
    await context.close();
  });

  for (const [language, locale] of Object.entries({ en: 'en-GB', de: 'de-AT', ja: 'ja-JP', zh: 'zh-CN' })) {
    it(`speaks ${language}, and has room on small and large screens`, async () => {
      const context = await stage.browser.newContext({ locale });
      const { page, errors } = await openPage(context, `${stage.server.address}/streamdiffusion/guests/wish`);
      assert.equal(await page.innerText('h1'), textsOf(language).wishFor);
      await page.waitForFunction(() => document.querySelector('canvas')!.width > 1 && document.querySelector('#words button'), undefined, {
        timeout: PATIENCE,
      });
      for (const [width, height] of [
        [390, 844],
        [1366, 768],
      ]) {
        await page.setViewportSize({ width, height });
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
        assert.deepEqual(await seriousFindings(page), []);
        await keepScreenshot(page, `wish-${language}-${width}`);
      }
      assert.deepEqual(errors, []);
      await context.close();
    });
  }
});
