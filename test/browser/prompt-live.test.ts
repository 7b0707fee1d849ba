import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { keepScreenshot } from '../lib/browser';
import { type Editor, setEditor } from '../lib/editor';
import { PATIENCE, until } from '../lib/until';

interface Shown {
  id: string;
  topic: string;
  mode: string;
  strength: number;
  prompt: { text: string; weight: number }[];
  encoder?: string;
  source?: string;
  picture?: string;
}

describe('a running stream', () => {
  let editor: Editor;
  let page: Page;
  const stage = setEditor((opened) => {
    editor = opened;
    page = opened.page;
  });

  const now = async (): Promise<Shown> => {
    const response = await fetch(`${stage.server.address}/streamdiffusion/streams`);
    return ((await response.json()) as Shown[]).find(({ prompt }) => prompt)!;
  };
  /** Waits until the stream is painted as `isSo` says. */
  const become = async (isSo: (shown: Shown) => boolean): Promise<Shown> => {
    const deadline = performance.now() + PATIENCE;
    for (;;) {
      const shown = await now();
      if (shown && isSo(shown)) return shown;
      assert.ok(performance.now() < deadline, JSON.stringify({ ...shown, source: '', picture: '' }));
      await new Promise((wait) => setTimeout(wait, 200));
    }
  };
  const under = (text: string) => (shown: Shown) => shown.prompt.length === 1 && shown.prompt[0].text === text;
  const typed = '#node-input-prompt';

  it('is described with what comes in and goes out, strength, prompt and who says it', async () => {
    const { id: encoder } = (await editor.nodes('prompt'))[0];
    const shown = await become((stream) => stream.prompt.length > 0 && Boolean(stream.source && stream.picture));
    assert.deepEqual([shown.mode, shown.strength, shown.encoder], ['img2img', 0.5, encoder]);
    for (const picture of [shown.source, shown.picture]) assert.match(Buffer.from(picture!, 'base64').toString('latin1'), /^\xff\xd8/);
    assert.notEqual(shown.source, shown.picture);
  });

  it('follows the open dialog of its prompt encoder while one types, and Cancel brings back what was', async () => {
    const before = (await now()).prompt;
    await editor.edit('prompt');
    await page.locator(typed).fill('night, aurora, snow');
    await become(under('night, aurora, snow'));
    await keepScreenshot(page, 'prompt-live');
    await editor.close('cancel');
    assert.deepEqual((await become(under(before[0].text))).prompt, before);
    assert.equal(await editor.red((RED) => RED.nodes.dirty()), false, 'nothing is to be deployed');
  });

  it('keeps on Done what was typed last, and is not told of a dialog that is only looked at', async () => {
    const asked: { end?: string }[] = [];
    const isKept = (): boolean => asked.at(-1)?.end === 'keep';
    page.on(
      'request',
      (request) => void (request.url().includes('/streamdiffusion/prompts/') && asked.push(request.postDataJSON() as object)),
    );
    await editor.edit('prompt');
    await page.waitForTimeout(800);
    assert.deepEqual(asked, []);
    await page.locator(typed).fill('desert, day');
    await editor.close();
    await become(under('desert, day'));
    await until(isKept, PATIENCE, () => JSON.stringify(asked));
    assert.deepEqual((await now()).prompt[0].text, 'desert, day');
  });

  it('is played from the sidebar: strength and prompt, with its words as chips', async () => {
    await editor.red((RED) => RED.sidebar.show('streamdiffusion'));
    const card = page.locator('.streamdiffusion-stream').first();
    const field = card.locator('textarea');
    await page.waitForFunction(
      () => document.querySelector<HTMLTextAreaElement>('.streamdiffusion-stream textarea')?.value === 'desert, day',
      undefined,
      { timeout: PATIENCE },
    );
    await card.locator('input[type="range"]').fill('0.3');
    await become(({ strength }) => strength === 0.3);
    await field.fill('snowy quokka, night');
    await become(under('snowy quokka, night'));
    await page.locator('.red-ui-flow-node-status-group', { hasText: 'snowy quokka' }).waitFor({ timeout: PATIENCE });
    await page.locator('.red-ui-palette-search input').focus();
    await card.locator('.streamdiffusion-chip[data-kind="unknown"]', { hasText: 'quokka' }).waitFor({ timeout: PATIENCE });
    assert.deepEqual(
      await card.locator('.streamdiffusion-chip').evaluateAll((chips) => chips.map((chip) => chip.getAttribute('data-kind'))),
      ['read', 'unknown', 'known'],
    );
    assert.deepEqual(
      await card
        .locator('img:visible')
        .evaluateAll((all) => all.map((img) => [(img as HTMLImageElement).naturalWidth, (img as HTMLImageElement).alt])),
      [
        [192, 'what comes in'],
        [192, 'what goes out'],
      ],
    );
    await keepScreenshot(page, 'sidebar-played');
  });

  it('answers in words what cannot work, and changes nothing', async () => {
    const [{ id: denoiser }, { id: encoder }] = [(await editor.nodes('denoiser'))[0], (await editor.nodes('prompt'))[0]];
    const post = async (path: string, body: object, type = 'application/json'): Promise<[number, string?]> => {
      const response = await fetch(`${stage.server.address}/streamdiffusion/${path}`, {
        method: 'POST',
        headers: { 'Content-Type': type },
        body: JSON.stringify(body),
      });
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    const before = await now();
    assert.deepEqual(await post(`prompts/${encoder}`, { params: { prompt: { no: 'text' } } }), [200, 'EBADPROMPT']);
    assert.deepEqual(await post(`prompts/${encoder}`, { params: { prompt: 'sea', blend: 'mixed' } }), [200, 'EBADPARAM']);
    assert.deepEqual(await post(`prompts/${encoder}`, { params: { prompt: 'sea', transition: 'soon' } }), [200, 'EBADPARAM']);
    assert.deepEqual(await post(`prompts/${encoder}`, { params: 7 }), [200, 'EBADPARAM']);
    assert.deepEqual(await post(`prompts/${denoiser}`, { params: {} }), [200, 'ECLOSED']);
    assert.deepEqual(await post(`denoisers/${denoiser}`, { params: { strength: 2 }, topic: '' }), [200, 'EBADPARAM']);
    assert.deepEqual(await post(`denoisers/${denoiser}`, { params: { strength: 0.2 }, topic: 'nobody' }), [200, 'ECLOSED']);
    assert.deepEqual(await post(`prompts/${encoder}`, { params: { prompt: 'sea' } }, 'text/plain'), [415, 'EBADPARAM']);
    const { prompt, strength } = await now();
    assert.deepEqual([prompt, strength], [before.prompt, before.strength]);
  });
});
