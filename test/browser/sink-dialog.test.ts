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
    assert.deepEqual(editor.errors, []);
  });
});
