import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { setStage } from '../lib/browser';
import { Editor } from '../lib/editor';
import { PATIENCE } from '../lib/until';

const PANEL = '#engine-automatic';
const FIELD = '#node-config-input-executionProviders';

describe('engine dialog: automatic choice of an execution provider', () => {
  let folder: string;
  let editor: Editor;
  let page: Page;
  setStage({
    prepare: async () => {
      folder = await mkdtemp(join(tmpdir(), 'automatic-'));
      return { STREAMDIFFUSION_CACHE: folder };
    },
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server, 1000);
      page = editor.page;
    },
  });
  after(() => folder && rm(folder, { recursive: true, force: true }));

  it('shows what was tried and what came out, tries again, and is there for "automatic" alone', async () => {
    await editor.editEngine();
    assert.equal(await page.inputValue(FIELD), 'automatic', 'the first example');
    await page.waitForSelector(`${PANEL}:visible`);
    await page.waitForFunction((panel) => /Runs on|Not tried yet/.test(document.querySelector(panel)?.textContent ?? ''), PANEL, {
      timeout: PATIENCE,
    });
    await page.click(`${PANEL} button`);
    await page.waitForFunction((panel) => /Runs on .*✓ cpu/s.test(document.querySelector(panel)?.textContent ?? ''), PANEL, {
      timeout: 3 * PATIENCE,
    });
    await page.fill(FIELD, 'automatic, cpu');
    await page.locator(FIELD).blur();
    await page.waitForSelector(`${FIELD}.input-error`);
    await page.fill(FIELD, 'cpu');
    await page.locator(FIELD).blur();
    await page.waitForSelector(PANEL, { state: 'hidden' });
    await editor.close('cancel');
    assert.deepEqual(editor.errors.splice(0), []);
  });
});
