import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { keepScreenshot } from '../lib/browser';
import { type Editor, setEditor } from '../lib/editor';
import { PATIENCE } from '../lib/until';

describe('words under the prompt field', () => {
  let editor: Editor;
  let page: Page;
  setEditor((opened) => {
    editor = opened;
    page = opened.page;
  });

  const chips = async (): Promise<string[]> =>
    page
      .locator('#node-input-prompt + .streamdiffusion-chips .streamdiffusion-chip')
      .evaluateAll((all) =>
        all.map((chip) => `${chip.getAttribute('data-kind')} ${(chip as HTMLElement).innerText.trim().split('\n')[0]}`),
      );

  /** Types a prompt, and waits until its chips have taken the place of the last one's. */
  async function hasChips(prompt: string, wanted: string[]): Promise<void> {
    await page.fill('#node-input-prompt', prompt);
    let found: string[] = [];
    for (const end = performance.now() + PATIENCE; found.join() !== wanted.join() && performance.now() < end; await page.waitForTimeout(50))
      found = (await chips()).map((text) => text.replace(/ unknown to the model.*/, ''));
    assert.deepEqual(found, wanted);
  }

  it('are chips while one types, in every script, and what is added', async () => {
    await editor.edit('prompt');
    await hasChips('sea, snowy quokka', ['known sea', 'read snowy → snow', 'unknown quokka', 'added + day']);
    await hasChips('Übermut im Winterwald', ['unknown Übermut', 'read im → in', 'read Winterwald → winter forest', 'added + day']);
    await hasChips('夕日の海と犀', ['read 夕日 → sunset', 'silent の', 'read 海 → sea', 'silent と', 'unknown 犀']);
    await hasChips('日落的沙漠，大象', ['read 日落 → sunset', 'silent 的', 'read 沙漠 → desert', 'unknown 大象']);
    await keepScreenshot(page, 'prompt-words');
    await page.fill('#node-input-negativePrompt', 'море');
    const negative = page.locator('#node-input-negativePrompt + .streamdiffusion-chips .streamdiffusion-chip');
    await negative.filter({ hasText: 'море' }).waitFor({ timeout: PATIENCE });
    assert.equal(await negative.count(), 1, 'nothing is added to a negative prompt');
  });

  it('say what the model knows at one click', async () => {
    await page.click('#prompt-known summary');
    await page.locator('.streamdiffusion-known', { hasText: 'lighthouse' }).waitFor({ timeout: PATIENCE });
    await keepScreenshot(page, 'prompt-known');
  });

  it('are counted in the status when it is deployed', async () => {
    await page.fill('#node-input-prompt', '夜の海に犀とÜbermut');
    await editor.close();
    await editor.deploy();
    await page.locator('.red-ui-flow-node-status-group', { hasText: '2 unknown words' }).waitFor({ timeout: PATIENCE });
    await keepScreenshot(page, 'prompt-status');
  });
});
