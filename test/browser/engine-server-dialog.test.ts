import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { modelFolder } from '../../engine/model/files';
import { fingerprintOf } from '../../engine/model/fingerprint';
import { OnnxNet } from '../../engine/net/ort/onnx-net';
import { keepScreenshot, setStage } from '../lib/browser';
import { Editor } from '../lib/editor';
import { InferenceServer } from '../lib/inference-server';

describe('engine dialog: nets on a server', function () {
  this.timeout(90_000);
  let inference: InferenceServer;
  let net: OnnxNet;
  let editor: Editor;
  let page: Page;
  setStage({
    prepare: async () => {
      const path = `${modelFolder('starter')}/unet/model.onnx`;
      net = await OnnxNet.load(path, { executionProvider: 'cpu' });
      inference = await InferenceServer.start({ starter_unet: { net, fingerprint: await fingerprintOf(path) } });
      return {};
    },
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server, 1100);
      page = editor.page;
    },
  });
  after(async () => {
    await inference?.stop();
    await net?.close();
  });
  afterEach(() => assert.deepEqual(editor.errors.splice(0), []));

  it('shows what a server needs when nets are to run there, and says at once what is wrong', async () => {
    await editor.editEngine();
    assert.equal(await page.isVisible('#engine-server'), false);
    await page.selectOption('#node-config-input-runOn', 'server');
    assert.match(await page.innerText('#engine-server-trouble'), /An address of the server is missing/);
    await page.fill('#node-config-input-serverAddresses', 'http://gpu-1:8000, ftp://gpu-2');
    assert.match(await page.innerText('#engine-server-trouble'), /“ftp:\/\/gpu-2” is not an address/);
    await page.fill('#node-config-input-serverAddresses', `${inference.address} grpcs://gpu-2:8001`);
    assert.equal(await page.isVisible('#engine-server-trouble'), false);
    await page.uncheck('#engine-server-nets input[value="unet"]');
    assert.match(await page.innerText('#engine-server-trouble'), /No net is chosen/);
    await page.check('#engine-server-nets input[value="unet"]');
    assert.equal(await page.isVisible('#node-config-input-serverToken'), false);
    await page.selectOption('#node-config-input-serverLogin', 'token');
    assert.equal(await page.isVisible('#node-config-input-serverToken'), true);
    await page.selectOption('#node-config-input-serverLogin', 'none');
  });

  it('asks the server', async () => {
    await page.fill('#node-config-input-serverAddresses', inference.address);
    await page.click('#engine-server-check');
    await page.waitForFunction(() => /✓/.test(document.querySelector('#engine-server-result')?.textContent ?? ''), undefined, {
      timeout: 20_000,
    });
    assert.match(await page.innerText('#engine-server-result'), /✓ starter_unet is as in the model folder, copies: 1/);
    await page.locator('#engine-server').scrollIntoViewIfNeeded();
    await keepScreenshot(page, 'engine-server');
    await page.check('#engine-server-nets input[value="vae_decoder"]');
    await page.click('#engine-server-check');
    await page.waitForFunction(() => /✗/.test(document.querySelector('#engine-server-result')?.textContent ?? ''), undefined, {
      timeout: 20_000,
    });
    await page.uncheck('#engine-server-nets input[value="vae_decoder"]');
  });

  it('keeps what was chosen', async () => {
    await editor.close();
    await editor.editEngine();
    assert.equal(await page.inputValue('#node-config-input-runOn'), 'server');
    assert.equal(await page.inputValue('#node-config-input-serverAddresses'), inference.address);
    assert.equal(await page.isChecked('#engine-server-nets input[value="unet"]'), true);
    assert.equal(await page.isChecked('#engine-server-nets input[value="vae_decoder"]'), false);
    await editor.close('cancel');
  });
});
