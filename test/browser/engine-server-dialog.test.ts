import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { modelFolder } from '../../engine/model/files';
import { fingerprintOf } from '../../engine/model/fingerprint';
import { OnnxNet } from '../../engine/net/onnx-net';
import { keepScreenshot, openBrowser } from '../lib/browser';
import { InferenceServer } from '../lib/inference-server';
import { Server } from '../lib/server';

interface EditorRED {
  nodes: { eachConfig(callback: (config: { id: string; type: string }) => void): void };
  editor: { editConfig(name: string, type: string, id: string): void };
}

describe('engine dialog: nets on a server', function () {
  this.timeout(90_000);
  let browser: Browser;
  let server: Server;
  let inference: InferenceServer;
  let net: OnnxNet;
  let page: Page;
  const errors: string[] = [];

  before(async function () {
    const opened = await openBrowser();
    if (!opened) return this.skip();
    browser = opened;
    const path = `${modelFolder('starter')}/unet/model.onnx`;
    net = await OnnxNet.load(path, { executionProvider: 'cpu' });
    inference = await InferenceServer.start({ starter_unet: { net, fingerprint: await fingerprintOf(path) } });
    server = await Server.start();
    await server.ready();
    page = await browser.newPage({ viewport: { width: 1500, height: 1100 } });
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(server.address);
    await page.waitForSelector('.red-ui-flow-node-group', { timeout: 30_000 });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await inference?.stop();
    await net?.close();
  });

  const openDialog = async (): Promise<void> => {
    await page.evaluate(() => {
      const red = (window as unknown as { RED: EditorRED }).RED;
      red.nodes.eachConfig((config) => void (config.type === 'streamdiffusion-engine' && red.editor.editConfig('', config.type, config.id)));
    });
    await page.waitForSelector('#node-config-input-runOn');
  };

  it('shows what a server needs when nets are to run there, and says at once what is wrong', async () => {
    await openDialog();
    assert.equal(await page.isVisible('#engine-server'), false);
    await page.selectOption('#node-config-input-runOn', 'server');
    assert.match(await page.innerText('#engine-server-trouble'), /An address of the server is missing/);
    await page.fill('#node-config-input-serverAddresses', 'http://gpu-1:8000, ftp://gpu-2');
    assert.match(await page.innerText('#engine-server-trouble'), /“ftp:\/\/gpu-2” is no address/);
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
    await page.waitForFunction(() => /✓/.test(document.querySelector('#engine-server-result')?.textContent ?? ''), undefined, { timeout: 20_000 });
    assert.match(await page.innerText('#engine-server-result'), /✓ starter_unet is as in the model folder, copies: 1/);
    await page.locator('#engine-server').scrollIntoViewIfNeeded();
    await keepScreenshot(page, 'engine-server');
    await page.check('#engine-server-nets input[value="vae_decoder"]');
    await page.click('#engine-server-check');
    await page.waitForFunction(() => /✗/.test(document.querySelector('#engine-server-result')?.textContent ?? ''), undefined, { timeout: 20_000 });
    await page.uncheck('#engine-server-nets input[value="vae_decoder"]');
  });

  it('keeps what was chosen', async () => {
    await page.click('#node-config-dialog-ok');
    await page.waitForSelector('.red-ui-tray', { state: 'detached' });
    await openDialog();
    assert.equal(await page.inputValue('#node-config-input-runOn'), 'server');
    assert.equal(await page.inputValue('#node-config-input-serverAddresses'), inference.address);
    assert.equal(await page.isChecked('#engine-server-nets input[value="unet"]'), true);
    assert.equal(await page.isChecked('#engine-server-nets input[value="vae_decoder"]'), false);
    await page.click('#node-config-dialog-cancel');
    assert.deepEqual(errors, []);
  });
});
