import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { faintTexts, seriousFindings } from '../lib/axe';
import { keepScreenshot, setStage } from '../lib/browser';
import { Editor } from '../lib/editor';
import { PATIENCE } from '../lib/until';

const TYPES = ['source', 'filter', 'control', 'prompt', 'denoiser', 'sink', 'engine'];

describe('dialogs for everybody', () => {
  let editor: Editor;
  let page: Page;
  setStage({
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server);
      page = editor.page;
    },
  });
  afterEach(() => assert.deepEqual(editor.errors.splice(0), [], 'no script of the editor failed'));

  /** What the Tab key reaches in a form, from its first field on: what it is, and how far below the form's top. */
  async function reached(form: string): Promise<{ what: string; top: number }[]> {
    await page.locator(`${form} :is(input, select, textarea, button):visible`).first().focus();
    const steps: { what: string; top: number }[] = [];
    for (let k = 0; k < 60; k++) {
      const step = await page.evaluate((selector) => {
        const at = document.activeElement as HTMLElement;
        if (!at?.closest(selector)) return undefined;
        // The form scrolls under the focus.
        const top = at.getBoundingClientRect().top - at.closest(selector)!.getBoundingClientRect().top;
        return { what: at.id || at.className || at.tagName, top };
      }, form);
      if (!step) break;
      steps.push(step);
      await page.keyboard.press('Tab');
    }
    return steps;
  }

  /** Fields that reach beyond their form. */
  function tooWide(form: string): Promise<string[]> {
    return page.locator(form).evaluate((element) => {
      const { right } = element.getBoundingClientRect();
      return [...element.querySelectorAll('input, select, textarea, button, .red-ui-typedInput-container')]
        .filter((field) => field.getClientRects().length > 0 && field.getBoundingClientRect().right > right + 0.5)
        .map((field) => `${field.id || field.className}: by ${Math.ceil(field.getBoundingClientRect().right - right)}`);
    });
  }

  for (const type of TYPES) {
    it(`${type}: every field has a name and is in its tray, all can be read, and Tab goes from top to bottom`, async () => {
      if ((await editor.nodes(type)).length === 0 && type !== 'engine') await editor.drag(type, { x: 400, y: 420 });
      const form = type === 'engine' ? '#node-config-dialog-edit-form' : '#dialog-form';
      await editor.edit(type);
      await page.locator(form).evaluate((element) => {
        for (const section of element.querySelectorAll('details')) section.open = true;
      });
      await page.waitForTimeout(600);
      assert.deepEqual(await seriousFindings(page, form), []);
      assert.deepEqual(await faintTexts(page, form), []);
      assert.deepEqual(await tooWide(form), [], 'a tray opens as narrow as it can be made');
      const steps = await reached(form);
      assert.ok(steps.length > 1, JSON.stringify(steps));
      for (const [k, { what, top }] of steps.slice(1).entries())
        assert.ok(top > steps[k].top - 30, `${what} comes after ${steps[k].what}, but stands above it`);
      await keepScreenshot(page, `accessible-${type}`);
      await editor.close('cancel');
    });
  }

  it('the streams in the sidebar as well', async () => {
    await editor.red((RED) => RED.sidebar.show('streamdiffusion'));
    await page.locator('.streamdiffusion-stream textarea').first().waitFor({ timeout: PATIENCE });
    await page.waitForTimeout(1500);
    assert.deepEqual(await seriousFindings(page, '.streamdiffusion-sidebar'), []);
    assert.deepEqual(await faintTexts(page, '.streamdiffusion-sidebar'), []);
  });
});
