import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Page } from 'playwright-core';
import { keepScreenshot, setStage } from '../lib/browser';
import { PATHS } from '../lib/control-cases';
import { Editor } from '../lib/editor';
import { withTokenizer, removeModelFolders } from '../lib/model-folder';
import { PATIENCE, eventually, until } from '../lib/until';

describe("the denoiser's dialog: a slider for each adapter", () => {
  let editor: Editor;
  let page: Page;
  let model: string;
  /** What the dialog asked for, and whether it was applied. */
  const asked: { params?: Record<string, unknown>; end?: string; applied: boolean; message?: string }[] = [];
  setStage({
    prepare: async () => {
      model = await withTokenizer({ 'controlnet/shape/model.onnx': await readFile(join(PATHS.depth, 'model.onnx')) });
      return {};
    },
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server);
      page = editor.page;
      page.on('response', async (response) => {
        if (!response.url().includes('/streamdiffusion/denoisers/')) return;
        const { applied, message } = (await response.json()) as { applied: boolean; message?: string };
        asked.push({ ...(response.request().postDataJSON() as object), applied, ...(message && { message }) });
      });
      await editor.red(
        (RED, { folder, path }) => {
          RED.nodes.eachConfig((node) => {
            if (node.type !== 'streamdiffusion-engine') return;
            Object.assign(node, {
              modelType: 'str',
              model: folder,
              adapters: [{ name: 'ink', path }],
              executionProviders: 'cpu',
              changed: true,
            });
          });
          for (const node of RED.nodes.filterNodes({ type: 'streamdiffusion-denoiser' })) {
            Object.assign(node, { weights: { ink: 0.5, lost: 0.3 }, changed: true });
            delete node.maskFeather;
          }
          RED.nodes.dirty(true);
        },
        { folder: model, path: PATHS.style },
      );
      await editor.deploy();
      await eventually(async () => {
        const health = await fetch(`${server.address}/streamdiffusion/health`);
        return health.ok && (await health.text()).includes(basename(model));
      });
    },
  });
  after(removeModelFolders);
  afterEach(() => assert.deepEqual(editor?.errors.splice(0) ?? [], []));

  const field = (name: string) => page.locator(`[data-weight=${name}]`);
  const slider = (name: string) => page.locator(`#denoiser-adapters input[type=range][aria-label=${name}]`);
  const open = (): Promise<void> => editor.edit('denoiser', '[data-weight=ink]');
  const told = (count: number): Promise<void> =>
    until(
      () => asked.length >= count,
      PATIENCE,
      () => JSON.stringify(asked),
    );
  const saved = (): Promise<unknown> =>
    editor.red((RED) => {
      const { weights, valid } = RED.nodes.filterNodes({ type: 'streamdiffusion-denoiser' })[0];
      return { weights, valid };
    });

  it('shows those of the engine and of the model, with what each wants, at the strength that is saved; also of one that is gone', async () => {
    await open();
    await page.locator('[data-weight=lost]').scrollIntoViewIfNeeded();
    const about = await page.locator('#denoiser-adapters .streamdiffusion-beside').allInnerTexts();
    assert.deepEqual(about.length, 3);
    assert.match(about[0], /^ControlNet; .*msg\.pictures/);
    assert.equal(about[1], 'LoRA');
    assert.match(about[2], /has no such adapter/);
    assert.deepEqual(await Promise.all(['shape', 'ink', 'lost'].map((name) => field(name).inputValue())), ['', '0.5', '0.3']);
    assert.deepEqual(await Promise.all(['shape', 'ink'].map((name) => slider(name).inputValue())), ['1', '0.5']);
    await keepScreenshot(page, 'denoiser-weights');
    await editor.close('cancel');
    assert.deepEqual(asked, []);
  });

  it('sends the one that moves to the running streams, and no other; Cancel takes it back', async () => {
    await open();
    await slider('ink').fill('0.8');
    await told(1);
    await slider('shape').fill('0.25');
    await told(2);
    await editor.close('cancel');
    await told(3);
    assert.deepEqual(asked.splice(0), [
      { params: { weights: { ink: 0.8 } }, applied: true },
      { params: { weights: { shape: 0.25 } }, applied: true },
      { end: 'restore', applied: true },
    ]);
    assert.deepEqual(await saved(), { weights: { ink: 0.5, lost: 0.3 }, valid: true });
  });

  it('saves what differs from how they were trained, and marks what is not a number', async () => {
    await open();
    await field('shape').fill('-1.5');
    assert.equal(await slider('shape').getAttribute('min'), '-2');
    await field('ink').fill('1');
    await field('lost').fill('');
    await page.locator('#node-input-maskFeather').evaluate((input) => input.closest('details')?.setAttribute('open', ''));
    assert.equal(await page.getAttribute('#node-input-maskFeather', 'placeholder'), '4');
    await page.fill('#node-input-maskFeather', '65');
    await page.locator('#node-input-maskFeather').blur();
    await page.waitForSelector('#node-input-maskFeather.input-error');
    await page.fill('#node-input-maskFeather', '12');
    await keepScreenshot(page, 'denoiser-mask');
    await editor.close();
    assert.deepEqual(await saved(), { weights: { shape: -1.5 }, valid: true });
    await open();
    assert.equal(await field('lost').count(), 0, 'what is gone, and nobody speaks of, is not there');
    await field('ink').fill('much');
    await page.waitForSelector('[data-weight=ink].input-error');
    await editor.close();
    assert.deepEqual(await saved(), { weights: { shape: -1.5, ink: 'much' }, valid: false });
  });
});
