import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { keepScreenshot } from '../lib/browser';
import { type Editor, setEditor } from '../lib/editor';
import { PATIENCE } from '../lib/until';

describe('editor', () => {
  let editor: Editor;
  let page: Page;
  const stage = setEditor((opened) => {
    editor = opened;
    page = opened.page;
  });

  it('shows the nodes, with icons, words and help', async () => {
    const palette = await page
      .locator('#red-ui-palette-container .red-ui-palette-node[data-palette-type^="streamdiffusion-"]')
      .evaluateAll((nodes) => nodes.map((node) => node.getAttribute('data-palette-label')));
    assert.deepEqual(palette.sort(), [
      'control map',
      'frame source',
      'prompt encoder',
      'similarity filter',
      'sink',
      'stream-batch denoiser',
    ]);
    const categories = await page.locator('.red-ui-palette-category').evaluateAll((all) => all.map(({ id }) => id));
    assert.equal(categories[0], 'red-ui-palette-container-streamdiffusion', 'what this checkout is about stands first');
    const category = await page.locator('#red-ui-palette-header-streamdiffusion').innerText();
    assert.equal(category.trim(), 'StreamDiffusion');

    for (const type of ['source', 'filter', 'prompt', 'denoiser', 'sink']) {
      const found = await editor.red((RED, name) => {
        const definition = RED.nodes.getType(name);
        return {
          icon: definition.icon,
          help: RED.nodes.getNodeHelp(name),
          invalid: RED.nodes.filterNodes({ type: name }).some((node) => !node.valid),
        };
      }, `streamdiffusion-${type}`);
      assert.equal(found.icon, `streamdiffusion-${type}.svg`);
      assert.match(found.help, /<p>[\s\S]{40}/, `${type} has help`);
      assert.equal(found.invalid, false, `${type} of the example is valid`);
      const icon = await page.request.get(`${stage.server.address}/icons/@streamdiffusion/node-red/${found.icon}`);
      assert.match(await icon.text(), /<svg/);
    }
  });

  for (const type of ['source', 'filter', 'prompt', 'denoiser', 'sink', 'engine']) {
    it(`opens the dialog of the ${type}, which has a word for everything, and saves what it showed`, async () => {
      const before = await editor.red((RED) => RED.nodes.createCompleteNodeSet());
      await editor.edit(type);
      const words = await page.locator('.red-ui-tray-body').innerText();
      assert.doesNotMatch(words, /\b(label|placeholder|tip|kind|status|invalid|unit)\.[a-z-]+/, 'a text key without a text');
      await editor.close();
      const after = await editor.red((RED) => RED.nodes.createCompleteNodeSet());
      // A dialog with credentials sends them along, empty ones too; the server keeps them out of the flow.
      assert.deepEqual(
        after.map((node) => ({ ...node, credentials: undefined })),
        before.map((node) => ({ ...node, credentials: undefined })),
      );
    });
  }

  it('refuses an execution provider that there is not, and names those that there are', async () => {
    await editor.editEngine();
    await page.fill('#node-config-input-executionProviders', 'gpu, cpu');
    await page.locator('#node-config-input-executionProviders').blur();
    await page.waitForSelector('#node-config-input-executionProviders.input-error');
    await page.fill('#node-config-input-executionProviders', 'cuda:1, cpu');
    await page.locator('#node-config-input-executionProviders').blur();
    await page.waitForSelector('#node-config-input-executionProviders:not(.input-error)');
    await editor.close('cancel');
  });

  it('breaks no name in the palette into more than two lines', async () => {
    const lines = await page
      .locator('.red-ui-palette-node[data-palette-type^="streamdiffusion-"] .red-ui-palette-label')
      .evaluateAll((labels) => labels.map((label) => label.innerHTML.split('<br>').length));
    assert.ok(lines.length === 6 && lines.every((count) => count <= 2), lines.join(', '));
  });

  const editDenoiser = (): Promise<void> => editor.edit('denoiser', '#denoiser-steps svg');

  it('shows which steps a strength means, warns of a size that the model cannot do, and keeps what was edited', async () => {
    await editDenoiser();
    assert.match((await page.textContent('#denoiser-timesteps'))!, /indices 25, 37 of 50 · timesteps 499, 259/);
    assert.equal(await page.locator('#denoiser-timesteps').isVisible(), false, 'numbers of the schedule are for who opens its section');
    await page.locator('#denoiser-slider').fill('0.4');
    assert.equal(await page.inputValue('#node-input-strength'), '0.4');
    assert.match((await page.textContent('#denoiser-timesteps'))!, /indices 30, 40 of 50/);

    await page.waitForSelector('#denoiser-size', { state: 'visible' });
    await page.fill('#node-input-width', '250');
    assert.match(await page.innerText('#denoiser-size'), /steps of 16 pixels; the nearest size is 256 × 256/);
    await page.fill('#node-input-width', 'wide');
    await page.locator('#node-input-width').blur();
    await page.waitForSelector('#node-input-width.input-error');
    await page.fill('#node-input-width', '256');

    await page.selectOption('#denoiser-preset', 'free');
    assert.deepEqual([await page.inputValue('#node-input-strength'), await page.inputValue('#node-input-steps')], ['0.35', '4']);
    await keepScreenshot(page, 'denoiser-dialog');
    await editor.close();
    await editDenoiser();
    assert.deepEqual([await page.inputValue('#denoiser-preset'), await page.inputValue('#denoiser-slider')], ['free', '0.35']);
    await page.fill('#node-input-steps', '3');
    assert.equal(await page.inputValue('#denoiser-preset'), 'own');
    await editor.close('cancel');
  });

  it('has sections for noise and feedback, which a flow from before them opens with what holds', async () => {
    await editor.red((RED) => {
      const node = RED.nodes.filterNodes({ type: 'streamdiffusion-denoiser' })[0];
      for (const field of [
        'scheduler',
        'eta',
        'seeds',
        'seedDrift',
        'motionNoise',
        'feedback',
        'feedbackZoom',
        'latentFeedback',
        'followNewest',
      ])
        delete node[field];
    });
    await editDenoiser();
    for (const section of await page.locator('#dialog-form details').all())
      await section.evaluate((details) => details.setAttribute('open', ''));
    assert.deepEqual([await page.inputValue('#node-input-scheduler'), await page.inputValue('#node-input-followNewest')], ['lcm', 'none']);
    assert.equal(await page.locator('#node-input-eta').isVisible(), false);
    await page.selectOption('#node-input-scheduler', 'tcd');
    assert.equal(await page.locator('#node-input-eta').isVisible(), true);

    for (const [field, wrong, right] of [
      ['seeds', '7:x', '7, 12:0.5'],
      ['seed', '-2', '-1'],
      ['seedDrift', '91', '0.5'],
      ['feedbackZoom', '3', '1.03'],
      ['latentFeedback', '2', ''],
    ]) {
      await page.fill(`#node-input-${field}`, wrong);
      await page.locator(`#node-input-${field}`).blur();
      await page.waitForSelector(`#node-input-${field}.input-error`);
      await page.fill(`#node-input-${field}`, right);
      await page.locator(`#node-input-${field}`).blur();
      await page.waitForSelector(`#node-input-${field}:not(.input-error)`);
    }
    await page.locator('#node-input-latentFeedback').scrollIntoViewIfNeeded();
    await keepScreenshot(page, 'denoiser-feedback');
    await page.locator('#node-input-stepsBy').scrollIntoViewIfNeeded();
    await keepScreenshot(page, 'denoiser-noise');
    await page.selectOption('#node-input-mode', 'txt2img');
    assert.equal(await page.locator('#node-input-feedback').isVisible(), false);
    await page.selectOption('#node-input-mode', 'img2img');
    await editor.close();
    const saved = await editor.red((RED) => {
      const { scheduler, seeds, feedbackZoom, followNewest, valid } = RED.nodes.filterNodes({ type: 'streamdiffusion-denoiser' })[0];
      return [scheduler, seeds, feedbackZoom, followNewest, valid];
    });
    assert.deepEqual(saved, ['tcd', '7, 12:0.5', '1.03', 'none', true]);
  });

  it('shows the streams in the sidebar: a live picture with figures, asked for only while it is seen', async () => {
    const asked: string[] = [];
    page.on('request', (request) => void (request.url().endsWith('/streamdiffusion/streams') && asked.push(request.url())));
    await page.waitForTimeout(1500);
    assert.deepEqual(asked, []);

    await editor.red((RED) => RED.sidebar.show('streamdiffusion'));
    const picture = page.locator('.streamdiffusion-stream').first().locator('img').last();
    await page.waitForFunction(
      () =>
        /\d frames a second, latency \d+ ms\s+\d+ % left out/.test(
          (document.querySelector('.streamdiffusion-stream') as HTMLElement | null)?.innerText ?? '',
        ),
      undefined,
      { timeout: PATIENCE },
    );
    const first = await picture.getAttribute('src');
    assert.ok(first!.length < 20_000, `${first!.length} characters a picture`);
    await page.waitForFunction(
      (old) => document.querySelector('.streamdiffusion-stream img:last-child')!.getAttribute('src') !== old,
      first,
      {
        timeout: PATIENCE,
      },
    );
    assert.deepEqual(await picture.evaluate((img: HTMLImageElement) => [img.naturalWidth, img.naturalHeight]), [192, 192]);
    await keepScreenshot(page, 'sidebar');

    await editor.red((RED) => RED.sidebar.show('info'));
    await page.waitForTimeout(200);
    asked.splice(0);
    await page.waitForTimeout(2000);
    assert.deepEqual(asked, [], 'no traffic for a tab that nobody sees');
  });
});
