import assert from 'node:assert/strict';
import { seriousFindings } from '../lib/axe';
import { keepScreenshot, openPage, setStage } from '../lib/browser';
import { PATIENCE } from '../lib/until';

describe('performance page behind the login of the editor', () => {
  const stage = setStage({
    options: ['--example', '17'],
    moves: true,
    prepare: async () => {
      const { hash } = (await import('bcryptjs' as string)) as { hash: (password: string, rounds: number) => Promise<string> };
      return { NODE_RED_USER: 'artist', NODE_RED_PASSWORD_HASH: await hash('secret', 8) };
    },
  });

  it('asks for it, refuses a wrong one, and plays with the right one', async () => {
    const context = await stage.browser.newContext({ httpCredentials: { username: 'artist', password: 'secret' } });
    const { page } = await openPage(context, `${stage.server.address}/streamdiffusion/stage/play`, { width: 1024, height: 768 });
    await page.waitForSelector('#login[open]', { timeout: PATIENCE });
    await keepScreenshot(page, 'play-login');
    assert.deepEqual(await seriousFindings(page), []);
    await page.fill('#user', 'artist');
    await page.fill('#password', 'wrong');
    await page.click('#enter');
    await page.waitForSelector('#refused:not([hidden])', { timeout: PATIENCE });
    await page.fill('#password', 'secret');
    await page.click('#enter');
    await page.waitForSelector('body.here', { timeout: PATIENCE });
    await page.reload();
    await page.waitForSelector('body.here', { timeout: PATIENCE });
    await context.close();
  });
});
