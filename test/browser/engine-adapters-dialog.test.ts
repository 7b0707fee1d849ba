import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { keepScreenshot, setStage } from '../lib/browser';
import { PATHS } from '../lib/control-cases';
import { Editor } from '../lib/editor';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { PATIENCE } from '../lib/until';

describe('engine dialog: adapters', () => {
  let editor: Editor;
  let page: Page;
  let folder: string;
  let models: string;
  setStage({
    prepare: async () => {
      folder = await changedModel({ 'controlnet/shape/model.onnx': await readFile(join(PATHS.depth, 'model.onnx')) });
      models = await mkdtemp(join(tmpdir(), 'installed-'));
      await mkdir(join(models, 'ink'));
      await cp(PATHS.style, join(models, 'ink/style.safetensors'));
      return { STREAMDIFFUSION_MODELS: models };
    },
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server, 1000);
      page = editor.page;
    },
  });
  after(async () => {
    await removeModelFolders();
    if (models) await rm(models, { recursive: true });
  });

  const row = (k: number) => page.locator('#engine-adapters .streamdiffusion-adapter').nth(k);
  const add = async (name: string, path: string): Promise<void> => {
    const count = await page.locator('#engine-adapters .streamdiffusion-adapter').count();
    await page.click('.red-ui-editableList-addButton');
    await row(count).locator('[data-field=name]').fill(name);
    await row(count).locator('[data-field=path]').fill(path);
  };
  const saved = (): Promise<unknown> =>
    editor.red((RED) => {
      let adapters: unknown;
      RED.nodes.eachConfig((node) => {
        if (node.type === 'streamdiffusion-engine') adapters = (node as unknown as { adapters: unknown }).adapters;
      });
      return adapters;
    });

  it('are a list; below each is said what it is, and above it what the model has of its own', async () => {
    await editor.editEngine();
    await page.evaluate(`$('#node-config-input-model').typedInput('type', 'str').typedInput('value', ${JSON.stringify(folder)})`);
    await add('depth', PATHS.depth);
    await add('lost', '/nowhere');
    const says = (k: number, text: RegExp): Promise<unknown> =>
      row(k).locator('.streamdiffusion-adapter-state', { hasText: text }).waitFor({ timeout: PATIENCE });
    await says(0, /^✓ ControlNet; .*msg\.pictures/);
    await says(1, /^✗ .*"lost".*\/nowhere/);
    await page.locator('#engine-adapters-own', { hasText: /shape, in the model's folder: ✓ ControlNet/ }).waitFor({ timeout: PATIENCE });
    await keepScreenshot(page, 'engine-adapters');
    await row(1).locator('xpath=..').locator('.red-ui-editableList-item-remove').click();
    await editor.close('ok');
    assert.deepEqual(await saved(), [{ name: 'depth', path: PATHS.depth }]);
    await editor.editEngine();
    assert.equal(await row(0).locator('[data-field=path]').inputValue(), PATHS.depth);
    await editor.close('cancel');
    assert.deepEqual(editor.errors.splice(0), []);
  });

  it('are in the list of what is installed, and come from there into that of the engine', async () => {
    await editor.editEngine();
    const count = await page.locator('#engine-adapters .streamdiffusion-adapter').count();
    await page.click('#engine-choose');
    const entry = page.locator('.streamdiffusion-model', { hasText: 'for other models: LoRA' });
    await entry.waitFor({ timeout: PATIENCE });
    await keepScreenshot(page, 'engine-installed-adapter');
    await entry.getByRole('button', { name: 'add as adapter' }).click();
    assert.deepEqual(
      [await row(count).locator('[data-field=name]').inputValue(), await row(count).locator('[data-field=path]').inputValue()],
      ['ink', join(models, 'ink')],
    );
    await editor.close('cancel');
    assert.deepEqual(editor.errors.splice(0), []);
  });
});
