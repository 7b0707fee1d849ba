import assert from 'node:assert/strict';
import { keepScreenshot, openPage, setStage } from '../lib/browser';
import { isPressed, settles } from '../lib/play-hands';
import { PATIENCE } from '../lib/until';

describe('performance page with a microphone', () => {
  // Each picture takes the loudness of its moment: few would miss the beeps.
  const stage = setStage({ options: ['--example', '20'], moves: true });

  it('lets the sound move the settings', async () => {
    const context = await stage.browser.newContext({ permissions: ['microphone'] });
    const { page, errors } = await openPage(context, `${stage.server.address}/streamdiffusion/music/play`, { width: 1366, height: 768 });
    await page.waitForSelector('body.here', { timeout: PATIENCE });
    await settles(page, 'knob-strength', 0.5);
    await page.click('#sound');
    await isPressed(page, 'sound', true);
    // The browser's own microphone beeps once a second.
    await page.evaluate(() => {
      const seen = new Set<string>();
      Object.assign(window, { seen });
      setInterval(() => seen.add((document.getElementById('knob-strength') as HTMLInputElement).value), 100);
    });
    await page.waitForFunction(() => (window as unknown as { seen: Set<string> }).seen.size > 1, undefined, { timeout: PATIENCE });
    await keepScreenshot(page, 'play-sound');
    await page.click('#sound');
    await isPressed(page, 'sound', false);
    assert.deepEqual(errors, []);
    await context.close();
  });
});
