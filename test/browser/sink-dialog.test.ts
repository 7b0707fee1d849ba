import assert from 'node:assert/strict';
import { keepScreenshot, setStage } from '../lib/browser';
import { Editor } from '../lib/editor';
import { readCode } from '../lib/qr';

describe('the dialog of the sink', () => {
  let editor: Editor;
  setStage({
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server);
    },
  });

  it('shows the QR code of its page', async () => {
    await editor.edit('sink', '.sink-code img');
    const { page } = editor;
    assert.match((await page.getAttribute('.sink-code img', 'alt'))!, /^QR code of http:\/\/127\.0\.0\.1:\d+\/streamdiffusion\/live$/);
    await page.waitForFunction(() => document.querySelector<HTMLImageElement>('.sink-code img')!.naturalWidth > 0);
    assert.match(await page.innerText('.sink-code'), /this machine only/);
    const address = await page
      .locator('.sink-address')
      .first()
      .evaluate((link) => (link as HTMLAnchorElement).href);
    assert.equal(await readCode(await page.locator('.sink-code img').screenshot()), address, 'as a phone reads it off the screen');
    await keepScreenshot(page, 'sink-code');
    await editor.close('cancel');
    assert.deepEqual(editor.errors, []);
  });

  it('moves the login of an address that is pushed to into the credentials, and refuses what cannot be sent to', async () => {
    const { page } = editor;
    await editor.edit('sink', '#node-input-push');
    assert.equal(await page.isVisible('#node-input-key'), false, 'what is not needed is not shown');
    await page.fill('#node-input-push', 'film.mp4');
    await page.press('#node-input-push', 'Tab');
    await page.waitForSelector('#node-input-push.input-error');
    await page.fill('#node-input-push', 'rtsp://me:p%40ss@192.168.1.20:8554/wall');
    await page.press('#node-input-push', 'Tab');
    await page.waitForSelector('#node-input-push:not(.input-error)');
    assert.equal(await page.inputValue('#node-input-push'), 'rtsp://192.168.1.20:8554/wall');
    assert.deepEqual(
      [await page.inputValue('#node-input-user'), await page.inputValue('#node-input-password'), await page.isVisible('#node-input-key')],
      ['me', 'p@ss', true],
    );
    await keepScreenshot(page, 'sink-push');
    await editor.close('cancel');
    assert.deepEqual(editor.errors, []);
  });
});
