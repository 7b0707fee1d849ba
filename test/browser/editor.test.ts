import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { openBrowser } from '../lib/browser';
import { Server } from '../lib/server';

/** The part of the editor's API that these tests use. */
interface EditorRED {
  nodes: {
    getType(type: string): { icon: string };
    getNodeHelp(type: string): string;
    filterNodes(filter: { type: string }): { id: string; valid: boolean }[];
    eachConfig(callback: (config: { id: string; type: string }) => void): void;
    createCompleteNodeSet(): object[];
  };
  editor: { edit(node: object): void; editConfig(name: string, type: string, id: string): void };
}

describe('editor', function () {
  this.timeout(90_000);
  let browser: Browser;
  let server: Server;
  let page: Page;
  const errors: string[] = [];

  before(async function () {
    const opened = await openBrowser();
    if (!opened) return this.skip();
    browser = opened;
    server = await Server.start();
    await server.ready();
    page = await browser.newPage({ viewport: { width: 1500, height: 900 } });
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(server.address);
    await page.waitForSelector('.red-ui-flow-node-group', { timeout: 30_000 });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(() => assert.deepEqual(errors.splice(0), [], 'no script of the editor failed'));

  it('shows the nodes, with icons, words and help', async () => {
    const palette = await page
      .locator('#red-ui-palette-container .red-ui-palette-node[data-palette-type^="streamdiffusion-"]')
      .evaluateAll((nodes) => nodes.map((node) => node.getAttribute('data-palette-label')));
    assert.deepEqual(palette.sort(), ['frame source', 'prompt encoder', 'similarity filter', 'sink', 'stream-batch denoiser']);
    const category = await page.locator('#red-ui-palette-header-streamdiffusion').innerText();
    assert.equal(category.trim(), 'StreamDiffusion');

    for (const type of ['source', 'filter', 'prompt', 'denoiser', 'sink']) {
      const found = await page.evaluate((name) => {
        const red = (window as unknown as { RED: EditorRED }).RED;
        const definition = red.nodes.getType(name);
        return { icon: definition.icon, help: red.nodes.getNodeHelp(name), invalid: red.nodes.filterNodes({ type: name }).some((node) => !node.valid) };
      }, `streamdiffusion-${type}`);
      assert.equal(found.icon, `streamdiffusion-${type}.svg`);
      assert.match(found.help, /<p>[\s\S]{40}/, `${type} has help`);
      assert.equal(found.invalid, false, `${type} of the example is valid`);
      const icon = await page.request.get(`${server.address}/icons/@streamdiffusion/node-red/${found.icon}`);
      assert.match(await icon.text(), /<svg/);
    }
  });

  for (const type of ['source', 'filter', 'prompt', 'denoiser', 'sink', 'engine']) {
    it(`opens the dialog of the ${type}, which has a word for everything, and saves what it showed`, async () => {
      const before = await page.evaluate((name) => {
        const red = (window as unknown as { RED: EditorRED }).RED;
        if (name === 'streamdiffusion-engine') {
          let engine: { id: string } | undefined;
          red.nodes.eachConfig((config) => void (config.type === name && (engine = config)));
          red.editor.editConfig('', name, engine!.id);
        } else red.editor.edit(red.nodes.filterNodes({ type: name })[0]);
        return red.nodes.createCompleteNodeSet();
      }, `streamdiffusion-${type}`);
      const done = page.locator(type === 'engine' ? '#node-config-dialog-ok' : '#node-dialog-ok');
      await done.waitFor({ state: 'visible' });
      await page.waitForTimeout(600);
      const words = await page.locator('.red-ui-tray-body').innerText();
      assert.doesNotMatch(words, /\b(label|placeholder|tip|kind|status|invalid|unit)\.[a-z-]+/, 'a text key without a text');
      await done.click();
      await page.waitForSelector('.red-ui-tray', { state: 'detached' });
      const after = await page.evaluate(() => (window as unknown as { RED: EditorRED }).RED.nodes.createCompleteNodeSet());
      // A dialog with credentials sends them along, empty ones too; the server keeps them out of the flow.
      assert.deepEqual(after.map((node) => ({ ...node, credentials: undefined })), before.map((node) => ({ ...node, credentials: undefined })));
    });
  }
});
