import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { toPicture } from '../../engine/image/picture';
import { keepScreenshot } from '../lib/browser';
import { type Editor, setEditor } from '../lib/editor';

describe("the prompt encoder's dialog", () => {
  let editor: Editor;
  let page: Page;
  setEditor((opened) => {
    editor = opened;
    page = opened.page;
  });

  const kept = (): Promise<string> => editor.red((RED) => String(RED.nodes.filterNodes({ type: 'streamdiffusion-prompt' })[0].picture));

  it('keeps a small copy of a chosen picture in the flow, or the path of one, or none', async () => {
    const large = await sharp({ create: { width: 1600, height: 1200, channels: 3, background: '#c04020' } })
      .png()
      .toBuffer();
    await editor.edit('prompt');
    assert.equal(await page.locator('#prompt-picture-shown').isVisible(), false);
    await page.locator('#prompt-picture-file').setInputFiles({ name: 'sun.png', mimeType: 'image/png', buffer: large });
    await page.locator('#prompt-picture-shown').waitFor({ state: 'visible' });
    await keepScreenshot(page, 'prompt-picture');
    await editor.close('ok');
    const uri = await kept();
    const { data } = toPicture(uri);
    const { width, height, format } = await sharp(data).metadata();
    assert.deepEqual([width, height, format], [448, 336, 'jpeg']);
    assert.ok(uri.length < 100_000);

    await editor.edit('prompt');
    await page.locator('#prompt-picture-shown').waitFor({ state: 'visible' });
    assert.equal(await page.locator('#prompt-picture-path').inputValue(), '');
    await page.locator('#prompt-picture-path').fill('/pictures/look.jpg');
    await page.locator('#prompt-picture-path').blur();
    await editor.close('ok');
    assert.equal(await kept(), '/pictures/look.jpg');

    await editor.edit('prompt');
    assert.equal(await page.locator('#prompt-picture-path').inputValue(), '/pictures/look.jpg');
    await page.locator('#prompt-picture-remove').click();
    await editor.close('ok');
    assert.equal(await kept(), '');
  });

  it('says so where a file is not a picture, and keeps what there was', async () => {
    await editor.edit('prompt');
    await page.locator('#prompt-picture-file').setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await page.locator('#prompt-picture-problem:not(:empty)').waitFor();
    assert.equal(await page.locator('#node-input-picture').inputValue(), '');
    await editor.close('cancel');
  });
});
