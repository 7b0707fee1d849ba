import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Page } from 'playwright-core';
import { inspectModel } from '../../engine/model/folder';
import { keepScreenshot, setStage } from '../lib/browser';
import { Editor } from '../lib/editor';
import { filesIn, HubServer } from '../lib/hub-server';
import { REFERENCE_MODEL } from '../lib/reference';
import { PATIENCE } from '../lib/until';

const REPOSITORY = 'owner/tiny-model';
const WEIGHTS = 'unet/model.onnx_data';
const TOKEN = 'hf_secretOfTheTest';

describe('engine dialog: models', () => {
  let hub: HubServer;
  let folder: string;
  let editor: Editor;
  let page: Page;
  const stage = setStage({
    prepare: async () => {
      folder = await mkdtemp(join(tmpdir(), 'engine-dialog-'));
      hub = await HubServer.start(REPOSITORY, filesIn(REFERENCE_MODEL).set(WEIGHTS, randomBytes(6_000_000)));
      return { HF_ENDPOINT: hub.address, HF_HOME: join(folder, 'hf'), STREAMDIFFUSION_MODELS: join(folder, 'models'), HF_TOKEN: '' };
    },
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server, 1000);
      page = editor.page;
    },
  });
  after(async () => {
    await hub?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await editor.editEngine();
    await page.click('#engine-choose');
    await page.waitForSelector('#engine-models .streamdiffusion-model');
  });
  afterEach(async () => {
    await editor.close('cancel');
    // The browser notes a request that was refused, as one of the tests wants it.
    assert.deepEqual(
      editor.errors.splice(0).filter((line) => !/status of 400/.test(line)),
      [],
    );
  });

  const download = async (repository: string): Promise<void> => {
    await page.fill('#engine-repository', repository);
    await page.click('#engine-another button');
  };
  /** How much of a file has arrived while it is not whole yet, bytes. */
  const partOf = async (file: string): Promise<number> => {
    const staged = (await readdir(folder, { recursive: true })).filter((path) => basename(path).startsWith(basename(file)));
    return Math.max(0, ...(await Promise.all(staged.map(async (path) => (await stat(join(folder, path))).size))));
  };
  /** What the list says, on one line. */
  const panel = async (): Promise<string> => (await page.locator('#engine-models').innerText()).replace(/\s+/g, ' ');
  const shows = (selector: string): Promise<unknown> => page.waitForSelector(`#engine-models ${selector}`, { timeout: PATIENCE });

  it('shows models to begin with, their sizes, licences and needs', async () => {
    const text = await panel();
    assert.match(text, /On this machine .*models None yet/);
    assert.match(text, /schmuell\/sd-turbo-ort-web 2\.6 GB · licence: Stability AI, non-commercial SD-Turbo .* Needs a GPU/);
    assert.match(text, /julienkay\/taesd 9\.8 MB · licence: MIT/);
    await keepScreenshot(page, 'engine-models');
  });

  it('downloads with progress, speed and remaining time; a cancelled one goes on where it ended', async () => {
    // It lasts for a minute or more, so that it can be cancelled on a busy machine as well.
    hub.faults.set(WEIGHTS, { bytesPerSecond: 100_000 });
    await download(REPOSITORY);
    await page.waitForFunction(
      () => /\d(\.\d)? [kM]?B of \d+(\.\d)? MB · .*\/s · (\d+ min )?\d+ sec left/.test(document.getElementById('engine-models')!.innerText),
      undefined,
      { timeout: PATIENCE },
    );
    while ((await partOf(WEIGHTS)) === 0) await page.waitForTimeout(50);
    await keepScreenshot(page, 'engine-download');
    await page.click('.streamdiffusion-model[data-state="running"] button');
    await shows('[data-state="cancelled"]');
    assert.match(await panel(), /What has arrived is kept/);

    hub.faults.clear();
    hub.seen.splice(0);
    await page.click('.streamdiffusion-model[data-state="cancelled"] button');
    await shows('[data-state="done"]');
    assert.match(hub.rangesOf(WEIGHTS).join(), /^bytes=[1-9]\d+-/);
    assert.match(await panel(), /On this machine[\s\S]*owner\/tiny-model \d.*image to image, text to image/);
    assert.equal((await inspectModel(join(folder, 'models', REPOSITORY))).usable, true);
  });

  it('takes the downloaded model, and says which execution providers of this machine can run it', async () => {
    await page.click('.streamdiffusion-model[data-state="done"] button');
    assert.equal(await page.locator('.red-ui-typedInput-input').first().inputValue(), join(folder, 'models', REPOSITORY));
    await page.waitForFunction(() => /✓ cpu can run it/.test(document.getElementById('engine-check-result')!.innerText), undefined, {
      timeout: PATIENCE,
    });
    assert.equal(await page.isVisible('#engine-models'), false);
    assert.match(
      await page.locator('#engine-check-result').innerText(),
      /This model can be used: .*\/owner\/tiny-model\n.*Nets: text_encoder/,
    );
    assert.equal(await page.inputValue('#node-config-input-int8'), 'auto', 'also of a flow from before there was a choice');
    await keepScreenshot(page, 'engine-check');
  });

  it('says why a download cannot be, in words of the server', async () => {
    await download('not a repository');
    await page.waitForSelector('.streamdiffusion-trouble:visible');
    assert.match(await panel(), /a repository is named OWNER\/NAME/);
    await download('nobody/nothing');
    await shows('[data-state="failed"]');
    await page.click('.streamdiffusion-model[data-state="failed"] button:last-child');
    await page.waitForSelector('.streamdiffusion-model[data-state="failed"]', { state: 'detached' });
  });

  it('sends the token that was typed, and tells nobody', async () => {
    hub.token = TOKEN;
    await rm(join(folder, 'models'), { recursive: true });
    await page.fill('#node-config-input-token', TOKEN);
    hub.seen.splice(0);
    await download(REPOSITORY);
    // The list may still show the end of the earlier download.
    const isHere = (): Promise<boolean> =>
      inspectModel(join(folder, 'models', REPOSITORY)).then(
        ({ usable }) => usable,
        () => false,
      );
    for (const end = performance.now() + PATIENCE; !(await isHere()); await page.waitForTimeout(200))
      assert.ok(performance.now() < end, await panel());
    await shows('[data-state="done"]');
    assert.ok(hub.seen.some(({ server, authorization }) => server === 'hub' && authorization === `Bearer ${TOKEN}`));
    hub.token = undefined;
    assert.ok(!(await page.content()).includes(TOKEN) && !stage.server.output.includes(TOKEN));
    assert.match(stage.server.output, /owner\/tiny-model is there, every file checked/);
  });
});
