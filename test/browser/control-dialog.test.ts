import assert from 'node:assert/strict';
import { keepScreenshot } from '../lib/browser';
import { type Editor, setEditor } from '../lib/editor';
import { PATIENCE } from '../lib/until';

describe('the dialog of the control map', () => {
  let editor: Editor;
  setEditor((opened) => {
    editor = opened;
  });

  const FIELDS: Record<string, string[]> = {
    edges: ['low', 'high', 'radius'],
    'soft-edges': [],
    silhouette: ['threshold', 'grow', 'radius', 'learnSeconds'],
    movement: ['threshold', 'trail'],
    luminance: [],
    threshold: ['threshold', 'radius'],
    blur: ['radius'],
    net: ['net', 'provider', 'inputRange', 'outputRange'],
  };

  let id: string;

  it('shows the fields of each kind, with a word for everything and its usual values, and saves what was chosen', async () => {
    const { page } = editor;
    id = await editor.drag('control', { x: 500, y: 600 });
    await editor.edit('control', undefined, id);
    for (const [kind, fields] of Object.entries(FIELDS)) {
      await page.selectOption('#node-input-kind', kind);
      const shown = await page.evaluate(() =>
        ['low', 'high', 'threshold', 'grow', 'trail', 'radius', 'learnSeconds', 'net', 'provider', 'inputRange', 'outputRange'].filter(
          (name) => {
            const field = document.querySelector<HTMLInputElement>(`#node-input-${name}`);
            return field?.offsetParent && (field.placeholder !== '' || field.value !== '');
          },
        ),
      );
      assert.deepEqual(shown.sort(), [...fields].sort(), kind);
      const words = await page.locator('.red-ui-tray-body').innerText();
      assert.doesNotMatch(words, /\b(label|placeholder|tip|kind|short|status|invalid|unit|result)\.[a-z-]+/, 'a text key without a text');
      assert.match(words, /\w{4}[^\n]{20}/);
    }
    await page.selectOption('#node-input-kind', 'silhouette');
    await keepScreenshot(page, 'control-dialog');
    await page.fill('#node-input-grow', '200');
    await page.locator('#node-input-grow').blur();
    await page.waitForSelector('#node-input-grow.input-error');
    await page.fill('#node-input-grow', '4');
    await page.fill('#node-input-picture', 'mask');
    await editor.close();
    const saved = await editor.red((RED, wanted) => {
      const { kind, grow, picture, valid } = RED.nodes.filterNodes({ type: 'streamdiffusion-control' }).find((node) => node.id === wanted)!;
      return { kind, grow, picture, valid };
    }, id);
    assert.deepEqual(saved, { kind: 'silhouette', grow: '4', picture: 'mask', valid: true });
  });

  it('learns the room anew by a press of the button of a node that runs', async () => {
    const { page } = editor;
    await editor.deploy();
    const button = page.locator(`[id="${id}"] .red-ui-flow-node-button-button`);
    await button.waitFor();
    // Node-RED answers a deploy a moment before the new nodes run.
    const said = page.locator('.red-ui-notification', { hasText: 'The room is being learned' }).first();
    for (const end = performance.now() + PATIENCE; !(await said.isVisible()); await page.waitForTimeout(300)) {
      assert.ok(performance.now() < end, 'the room is not learned');
      await button.click({ force: true });
    }
  });
});
