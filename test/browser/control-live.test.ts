import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { keepScreenshot, setStage } from '../lib/browser';
import { Editor } from '../lib/editor';
import { brightness } from '../lib/sink-picture';
import { PATIENCE, until } from '../lib/until';

describe("the control map's dialog while it is open", () => {
  let editor: Editor;
  let page: Page;
  /** Bodies of what the dialog asked for. */
  const asked: { params?: Record<string, unknown>; end?: string }[] = [];
  const stage = setStage({
    options: ['--example', '14'],
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server);
      page = editor.page;
      page.on(
        'request',
        (request) => void (request.url().includes('/streamdiffusion/controls/') && asked.push(request.postDataJSON() as object)),
      );
    },
  });
  afterEach(() => assert.deepEqual(editor?.errors.splice(0) ?? [], []));

  /** Waits until the map that the node makes is as bright as it should be. */
  async function mapBecomes(isSo: (mean: number) => boolean, what: string): Promise<void> {
    const [{ id }] = await editor.nodes('control');
    let mean = NaN;
    for (const end = performance.now() + PATIENCE; performance.now() < end; await new Promise((wait) => setTimeout(wait, 100))) {
      const [stream] = (await (await fetch(`${stage.server.address}/streamdiffusion/streams?node=${id}`)).json()) as { picture?: string }[];
      if (stream?.picture) mean = await brightness(Buffer.from(stream.picture, 'base64'));
      if (isSo(mean)) return;
    }
    assert.fail(`${what}: ${mean}`);
  }
  const slider = (name: string) => page.locator(`.form-row:has(#node-input-${name}) input[type=range]`);

  it('shows the map of the running node, and turns it with its sliders', async () => {
    await editor.edit('control', '#control-preview img');
    await mapBecomes((mean) => mean < 60, 'movement is dark');
    assert.equal(await slider('threshold').inputValue(), '8', 'an empty field is at the usual value of its kind');
    assert.equal(await slider('low').isVisible(), false);
    await slider('threshold').fill('255');
    await mapBecomes((mean) => mean < 0.5, 'nothing moves that much');
    assert.deepEqual(asked.at(0), { params: { threshold: '255' } });
    await page.selectOption('#node-input-kind', 'luminance');
    await mapBecomes((mean) => mean > 60, 'brightness');
    await keepScreenshot(page, 'control-live');
    await page.selectOption('#node-input-kind', 'edges');
    await slider('low').fill('30');
    await keepScreenshot(page, 'control-live-edges');
    assert.equal(await page.locator('#control-preview').innerText(), '');
  });

  it('says of what comes with a deploy that it does, and leaves the map as it is', async () => {
    await page.selectOption('#node-input-kind', 'silhouette');
    await page.locator('#control-preview', { hasText: 'comes with the next deploy' }).waitFor({ timeout: PATIENCE });
  });

  it('brings back on Cancel what was', async () => {
    await editor.close('cancel');
    // It is sent when the answer to the last change has come.
    await until(
      () => asked.at(-1)?.end === 'restore',
      PATIENCE,
      () => JSON.stringify(asked),
    );
    await mapBecomes((mean) => mean > 0.5 && mean < 60, 'movement again');
    assert.equal(await editor.red((RED) => RED.nodes.dirty()), false);
  });

  it('tells of a node that is not deployed what is to be done', async () => {
    const id = await editor.drag('control', { x: 400, y: 500 });
    await editor.edit('control', '.red-ui-tray-body form', id);
    await page.locator('#control-preview', { hasText: 'Once the node is deployed' }).waitFor({ timeout: PATIENCE });
    await page.fill('#node-input-low', '20');
    await page.locator('#node-input-low').blur();
    await editor.close();
  });
});
