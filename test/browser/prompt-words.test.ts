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

  async function chipsOf(prompt: string, last: string): Promise<string[]> {
    await page.fill('#node-input-prompt', prompt);
    await page
      .locator('#node-input-prompt + .streamdiffusion-chips .streamdiffusion-chip', { hasText: last })
      .last()
      .waitFor({ timeout: PATIENCE });
    return (await chips()).map((text) => text.replace(/ unknown to the model.*/, ''));
  }

  it('are chips while one types, in every script, and what is added', async () => {
    await editor.edit('prompt');
    assert.deepEqual(await chipsOf('sea, snowy quokka', '+ day'), ['known sea', 'read snowy → snow', 'unknown quokka', 'added + day']);
    assert.deepEqual(await chipsOf('Übermut im Winterwald', 'Winterwald'), [
      'unknown Übermut',
      'read im → in',
      'read Winterwald → winter forest',
      'added + day',
    ]);
    assert.deepEqual(await chipsOf('夕日の海と犀', '犀'), ['read 夕日 → sunset', 'silent の', 'read 海 → sea', 'silent と', 'unknown 犀']);
    assert.deepEqual(await chipsOf('日落的沙漠，大象', '大象'), ['read 日落 → sunset', 'silent 的', 'read 沙漠 → desert', 'unknown 大象']);
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
