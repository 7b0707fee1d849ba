import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { keepScreenshot, setStage } from '../lib/browser';
import { Editor } from '../lib/editor';
import { PATIENCE, eventually, until } from '../lib/until';

describe("the denoiser's dialog while it is open", () => {
  let editor: Editor;
  let page: Page;
  /** Bodies of what the dialog asked for. */
  const asked: { params?: Record<string, unknown>; end?: string }[] = [];
  const stage = setStage({
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server);
      page = editor.page;
      page.on(
        'request',
        (request) => void (request.url().includes('/streamdiffusion/denoisers/') && asked.push(request.postDataJSON() as { end?: string })),
      );
    },
  });
  afterEach(() => assert.deepEqual(editor.errors.splice(0), []));

  /** Width of the newest picture, as its JPEG says. */
  const widthNow = async (): Promise<number> => {
    const response = await fetch(`${stage.server.address}/streamdiffusion/live.jpg`);
    return response.ok ? ((await sharp(Buffer.from(await response.arrayBuffer())).metadata()).width ?? 0) : 0;
  };
  const become = async (width: number): Promise<void> => {
    let now = 0;
    await eventually(
      async () => {
        now = await widthNow();
        return now === width;
      },
      PATIENCE,
      () => `pictures ${now} pixels wide, not ${width}`,
    );
  };
  const told = (count: number): Promise<void> =>
    until(
      () => asked.length >= count,
      PATIENCE,
      () => JSON.stringify(asked),
    );
  const ends = (how: 'keep' | 'restore'): Promise<void> =>
    until(
      () => asked.at(-1)?.end === how,
      PATIENCE,
      () => JSON.stringify(asked),
    );

  it('sends what is chosen to the running stream, and nothing else; Cancel brings back what was', async () => {
    await become(256);
    await editor.edit('denoiser', '#denoiser-steps svg');
    await page.locator('#denoiser-slider').fill('0.4');
    await told(1);
    assert.deepEqual(asked, [{ params: { strength: '0.4' } }]);
    await page.fill('#node-input-width', '128');
    await page.locator('#node-input-width').blur();
    await become(128);
    await keepScreenshot(page, 'denoiser-live');
    await editor.close('cancel');
    await become(256);
    await ends('restore');
    assert.equal(await editor.red((RED) => RED.nodes.dirty()), false, 'nothing is to be deployed');
  });

  it('keeps it on Done, and a value that cannot work changes nothing', async () => {
    asked.splice(0);
    await editor.edit('denoiser', '#denoiser-steps svg');
    await page.fill('#node-input-width', 'wide');
    await page.locator('#node-input-width').blur();
    await told(1);
    await page.fill('#node-input-width', '192');
    await page.locator('#node-input-width').blur();
    await become(192);
    await editor.close();
    await ends('keep');
    await become(192);
  });

  it('tells a node that was not there yet everything with the next change', async () => {
    asked.splice(0);
    const absent = { applied: false, code: 'ECLOSED', message: 'this node is not deployed' };
    await page.route('**/streamdiffusion/denoisers/*', (route) => route.fulfill({ json: absent }), { times: 1 });
    await editor.edit('denoiser', '#denoiser-steps svg');
    await page.locator('#denoiser-slider').fill('0.4');
    await told(1);
    await page.fill('#node-input-width', '128');
    await page.locator('#node-input-width').blur();
    await become(128);
    assert.deepEqual(Object.keys(asked[1].params ?? {}).sort(), ['strength', 'width']);
    await editor.close('cancel');
    await ends('restore');
    await become(192);
  });

  it('sends nothing of a dialog that is only looked at', async () => {
    asked.splice(0);
    await editor.edit('denoiser', '#denoiser-steps svg');
    await page.waitForTimeout(500);
    await editor.close('cancel');
    assert.deepEqual(asked, []);
  });

  it('refuses who sends no JSON, and knows no node that is not deployed', async () => {
    const id = (await editor.nodes('denoiser'))[0].id;
    const post = (node: string, type: string): Promise<Response> =>
      fetch(`${stage.server.address}/streamdiffusion/denoisers/${node}`, {
        method: 'POST',
        headers: { 'Content-Type': type },
        body: '{"params":{"strength":0.2}}',
      });
    assert.equal((await post(id, 'text/plain')).status, 415);
    const answers = [await post('nobody', 'application/json'), await post(id, 'application/json')].map(
      (response) => response.json() as Promise<{ applied: boolean; code?: string }>,
    );
    assert.deepEqual(
      (await Promise.all(answers)).map(({ applied, code }) => [applied, code]),
      [
        [false, 'ECLOSED'],
        [true, undefined],
      ],
    );
  });

  it('fills in the settings that the model was made for, and says what it changed', async () => {
    await editor.edit('denoiser', '#denoiser-suited button:visible');
    const about = page.locator('#denoiser-suited [role=status]');
    assert.match(await about.innerText(), /embedded model.*two steps/);
    await page.fill('#node-input-width', '128');
    await page.fill('#node-input-steps', '4');
    await page.selectOption('#node-input-mode', 'img2img');
    await page.click('#denoiser-suited button');
    assert.match(await about.innerText(), /Changed: .*Size 128 → 256/);
    assert.match(await about.innerText(), /Steps 4 → 2/);
    const values = await Promise.all(['width', 'height', 'steps', 'cfgType'].map((name) => page.inputValue(`#node-input-${name}`)));
    assert.deepEqual(values, ['256', '256', '2', 'none']);
    await page.click('#denoiser-suited button');
    assert.match(await about.innerText(), /say so already/);
    await keepScreenshot(page, 'denoiser-suited');
    await editor.close('cancel');
  });
});
