import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { keepScreenshot, setStage } from '../lib/browser';
import { Editor, type EditorNode } from '../lib/editor';
import { PATIENCE } from '../lib/until';

/** A Node-RED of a newcomer: one empty tab. */
function emptyFlow(): string {
  const folder = mkdtempSync(join(tmpdir(), 'first-flow-'));
  writeFileSync(join(folder, 'flows.json'), JSON.stringify([{ id: 'first-tab', type: 'tab', label: 'Flow 1', disabled: false, info: '' }]));
  return folder;
}

describe('the first flow of a newcomer', () => {
  const folder = emptyFlow();
  let editor: Editor;
  let page: Page;
  const ids: Record<string, string> = {};
  const stage = setStage({
    options: ['--user-dir', folder],
    moves: true,
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server, 900, '.red-ui-palette-node[data-palette-type="streamdiffusion-sink"]');
      page = editor.page;
    },
  });
  afterEach(() => assert.deepEqual(editor?.errors.splice(0) ?? [], []));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const engines = (): Promise<string[]> =>
    editor.red((RED) => {
      const all: string[] = [];
      RED.nodes.eachConfig((config) => void (config.type === 'streamdiffusion-engine' && all.push(config.id)));
      return all;
    });
  const fieldsOf = (id: string, ...names: string[]): Promise<unknown[]> =>
    editor.red(
      (RED, asked) => {
        const node = RED.nodes.createCompleteNodeSet().find((each) => (each as EditorNode).id === asked.id) as EditorNode;
        return asked.names.map((name) => node[name]);
      },
      { id, names },
    );

  it('is five nodes from the palette, wired and deployed: it paints different pictures, without a dialog', async () => {
    const types = ['source', 'filter', 'prompt', 'denoiser', 'sink'];
    for (const [k, type] of types.entries()) ids[type] = await editor.drag(type, { x: 110 + 190 * k, y: 120 + 60 * (k % 2) });
    for (const [k, type] of types.slice(1).entries()) await editor.wire(ids[types[k]], ids[type]);
    await keepScreenshot(page, 'first-flow');
    for (const type of types)
      assert.deepEqual(
        (await editor.nodes(type)).map(({ valid }) => valid),
        [true],
        `${type} needs nothing more`,
      );
    assert.equal((await engines()).length, 1);
    await editor.deploy();

    const seen: Buffer[] = [];
    const deadline = performance.now() + PATIENCE;
    while (new Set(seen.map(String)).size < 3 && performance.now() < deadline) {
      const response = await fetch(`${stage.server.address}/streamdiffusion/live.jpg`);
      if (response.ok) seen.push(Buffer.from(await response.arrayBuffer()));
      await new Promise((wait) => setTimeout(wait, 300));
    }
    assert.ok(new Set(seen.map(String)).size >= 3, 'the pictures of a moving scene differ');
    const { channels } = await sharp(seen.at(-1)).stats();
    assert.ok(Math.max(...channels.map(({ stdev }) => stdev)) > 15, 'there is something to see');
    await keepScreenshot(page, 'first-flow-deployed');
  });

  it('lets the moving test card through its filter', async () => {
    const status = (): Promise<string> => page.evaluate((id) => document.getElementById(id)?.textContent ?? '', ids.filter);
    await page.waitForFunction((id) => /(\d+) fps · (\d+) %/.test(document.getElementById(id)?.textContent ?? ''), ids.filter, {
      timeout: PATIENCE,
    });
    const shares: number[] = [];
    for (let k = 0; k < 5; k++) {
      await page.waitForTimeout(1100);
      const share = /· (\d+) %/.exec(await status());
      if (share) shares.push(Number(share[1]));
    }
    assert.ok(shares.sort((a, b) => a - b)[shares.length >> 1] < 50, `of the moving test card it skips ${shares.join(', ')} %`);
  });

  it('goes on with more of each: the engine is shared, names stay free, and undoing takes back what came along', async () => {
    const denoiser = await editor.drag('denoiser', { x: 680, y: 320 });
    const [sink, third] = [await editor.drag('sink', { x: 880, y: 320 }), await editor.drag('sink', { x: 880, y: 380 })];
    assert.deepEqual(await fieldsOf(denoiser, 'engine'), await engines());
    assert.deepEqual([await fieldsOf(sink, 'name'), await fieldsOf(third, 'name')], [['live-2'], ['live-3']]);
    assert.ok((await editor.nodes('sink')).every(({ valid }) => valid));
    // Back to the empty tab: five wires and eight nodes, of which one brought an engine.
    for (let k = 0; k < 12; k++) await editor.red((RED) => RED.history.pop());
    assert.deepEqual([(await editor.nodes('denoiser')).length, await engines()], [0, []]);
  });

  it('makes a name fit for an address while it is typed, and shows a link only where one leads', async () => {
    const first = await editor.drag('sink', { x: 400, y: 200 });
    await editor.edit('sink', '#node-input-name', first);
    await page.fill('#node-input-name', '');
    assert.equal(await page.locator('.sink-address:visible').count(), 0);
    assert.match(await page.innerText('.sink-name-trouble'), /small letters/);
    await page.locator('#node-input-name').pressSequentially('Größe 2/Bühne');
    assert.equal(await page.inputValue('#node-input-name'), 'grosse-2-buhne');
    assert.match(await page.innerText('.sink-address >> nth=0'), /\/streamdiffusion\/grosse-2-buhne$/);
    await page.fill('#node-input-name', 'health');
    assert.equal(await page.locator('.sink-address:visible').count(), 0);
    await editor.close('cancel');
  });

  it('gives a camera page a name of its own when a source becomes one', async () => {
    for (const name of ['camera', 'camera-2']) {
      const source = await editor.drag('source', { x: 400, y: 300 });
      await editor.edit('source', '#node-input-kind', source);
      assert.equal(await page.locator('.source-address:visible').count(), 0);
      await page.selectOption('#node-input-kind', 'browser');
      assert.equal(await page.inputValue('#node-input-name'), name);
      assert.match(await page.innerText('.source-address'), new RegExp(`/streamdiffusion/${name}/camera$`));
      await page.fill('#node-input-name', '');
      assert.equal(await page.locator('.source-address:visible').count(), 0, 'no link to nowhere');
      await page.fill('#node-input-name', name);
      await editor.close();
    }
  });
});
