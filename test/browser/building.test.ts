import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';
import { keepScreenshot } from '../lib/browser';
import { type Editor, type EditorRED, setEditor } from '../lib/editor';
import { PATIENCE, answered } from '../lib/until';

describe('building a flow in the editor', () => {
  let editor: Editor;
  let page: Page;
  const stage = setEditor((opened) => {
    editor = opened;
    page = opened.page;
  });

  it('drags a filter in, wires it behind the source, and deploys: pictures arrive', async () => {
    const id = await editor.drag('filter', { x: 700, y: 420 });
    assert.equal((await editor.nodes('filter')).length, 2);
    await editor.wire((await editor.nodes('source'))[0].id, id);

    await editor.deploy();
    await page.waitForFunction((node) => /[1-9]\d* fps/.test(document.getElementById(node)?.textContent ?? ''), id, { timeout: PATIENCE });
    await keepScreenshot(page, 'dragged-and-wired');
  });

  it('imports the first example from the menu beside what is there, gives its sink another name, and it runs', async () => {
    await page.click('#red-ui-header-button-sidemenu');
    await page.click('#menu-item-import');
    await page.click('a:has-text("Examples")');
    const entry = (label: string): Locator => page.locator('.ui-dialog .red-ui-treeList-label:visible', { hasText: label }).first();
    await entry('@streamdiffusion/node-red').click();
    await entry('01 - Live picture').click();
    await keepScreenshot(page, 'import-example');
    await page.click('#red-ui-clipboard-dialog-ok');
    // The same flow is there already.
    await page.click('.red-ui-notification button:has-text("Import copy")');
    await page.waitForFunction(
      () => {
        const sinks = (window as unknown as { RED: EditorRED }).RED.nodes.filterNodes({ type: 'streamdiffusion-sink' });
        return sinks.length === 2 && sinks.some(({ name, valid }) => name === 'live-2' && valid);
      },
      undefined,
      { timeout: PATIENCE },
    );
    await editor.deploy();
    const picture = await answered(() => fetch(`${stage.server.address}/streamdiffusion/live-2.jpg`));
    assert.equal(picture.headers.get('content-type'), 'image/jpeg');
    await keepScreenshot(page, 'imported');
  });
});
