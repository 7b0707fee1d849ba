import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { keepScreenshot } from '../lib/browser';
import { type Editor, type EditorNode, setEditor } from '../lib/editor';
import { ROOT } from '../lib/reference';

const CAMERA = JSON.parse(readFileSync(join(ROOT, 'examples/04 - Camera to page.json'), 'utf8')) as EditorNode[];

describe('what is imported beside a running flow', () => {
  let editor: Editor;
  let page: Page;
  setEditor((opened) => {
    editor = opened;
    page = opened.page;
  });

  const namesOf = (type: string): Promise<unknown[]> =>
    editor.red(
      (RED, wanted) => RED.nodes.filterNodes({ type: wanted }).map(({ name, valid, result }) => [name, valid, ...(result ? [result] : [])]),
      `streamdiffusion-${type}`,
    );
  const notices = (): Promise<string[]> => page.locator('.red-ui-notification').allInnerTexts();

  it('keeps its name where that is free, and gets a free one where it is taken, of which people are told', async () => {
    const flow = CAMERA.map((node) => (node.type === 'streamdiffusion-source' ? { ...node, result: 'live' } : node));
    // As the import dialog does with a tab: none of its nodes is on the tab in view.
    await editor.red((RED, nodes) => RED.view.importNodes(nodes, { addFlow: false, generateIds: true }), flow);
    await page.locator('.red-ui-notification', { hasText: '“live” is taken' }).waitFor();
    // At once, since they leave again.
    const said = await notices();
    assert.deepEqual(await namesOf('sink'), [
      ['live', true],
      ['live-2', true],
    ]);
    const pages = (await namesOf('source')).filter((source) => (source as unknown[])[0] === 'live');
    assert.deepEqual(pages, [['live', true, 'live-2']], 'the camera page came with a free name, and goes on showing its own sink');
    assert.equal(said.filter((text) => /called “live-2”/.test(text)).length, 1);
    await keepScreenshot(page, 'import-renamed');
  });

  it('once more, and is told of each', async () => {
    await editor.red((RED, nodes) => RED.view.importNodes(nodes, { addFlow: false, generateIds: true }), CAMERA);
    await page.locator('.red-ui-notification', { hasText: 'called “live-3”' }).waitFor();
    assert.deepEqual((await namesOf('sink')).map((sink) => (sink as unknown[])[0]).sort(), ['live', 'live-2', 'live-3']);
    const pages = (await namesOf('source')).map((source) => (source as unknown[])[0]);
    assert.ok(pages.includes('live') && pages.includes('live-2'), pages.join());
    await editor.deploy();
  });

  it('is taken back by one step back', async () => {
    await editor.red((RED) => RED.history.pop());
    assert.deepEqual((await namesOf('sink')).map((sink) => (sink as unknown[])[0]).sort(), ['live', 'live-2']);
  });
});
