import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { type Broker, brokerOrSkip, mqttClient, type MqttClient } from '../lib/broker';
import { PATHS } from '../lib/control-cases';
import { Example, small } from '../lib/example';
import { changedModel, removeModelFolders, withTokenizer } from '../lib/model-folder';
import { node, onnxModel, value, weight } from '../lib/onnx-maker';
import { readMjpeg } from '../lib/mjpeg';
import { ROOT } from '../lib/reference';
import { tensorFile } from '../lib/safetensors';
import { eventually, PATIENCE, until } from '../lib/until';

/** Grey levels by which two pictures differ, on average. */
function distance(a: Buffer, b: Buffer): number {
  return a.reduce((sum, byte, k) => sum + Math.abs(byte - b[k]), 0) / a.length;
}

/** How many frames come in a second, measured over so many milliseconds. */
async function rateWithin(seen: readonly unknown[], ms: number): Promise<number> {
  const [before, began] = [seen.length, performance.now()];
  await new Promise((resolve) => setTimeout(resolve, ms));
  return (1000 * (seen.length - before)) / (performance.now() - began);
}

/** A ControlNet of the embedded model's shape: the brighter the control picture, the more it adds to every feature there. */
function brightnessNet(): Buffer {
  const residuals = { down_block_00: [128, 16], down_block_01: [128, 16], down_block_02: [160, 32], mid_block: [160, 32] } as const;
  const each = Object.entries(residuals);
  return onnxModel({
    inputs: [
      value('sample', 'float32', ['batch', 16, 'h', 'w']),
      value('timestep', 'int64', ['batch']),
      value('encoder_hidden_states', 'float32', ['batch', 24, 128]),
      value('controlnet_cond', 'float32', ['batch', 3, 'height', 'width']),
    ],
    outputs: each.map(([name, [channels]]) => value(name, 'float32', ['batch', channels, `h_${name}`, `w_${name}`])),
    weights: each.map(([name, [channels]]) => weight(`w_${name}`, [channels, 3, 1, 1], new Float32Array(3 * channels).fill(40))),
    nodes: each.flatMap(([name, [, pixels]]) => [
      node('AveragePool', ['controlnet_cond'], `pooled_${name}`, { kernel_shape: [pixels, pixels], strides: [pixels, pixels] }),
      node('Conv', [`pooled_${name}`, `w_${name}`], name, { kernel_shape: [1, 1] }),
    ]),
  });
}

/** A LoRA of the embedded model's last convolution, so strong that everybody sees it. */
function gaudyLora(): Buffer {
  const wave = (length: number, high: number, speed: number): Float32Array =>
    Float32Array.from({ length }, (_, k) => high * Math.sin(speed * k + 1));
  return tensorFile({
    'unet.conv_out.lora_A.weight': { shape: [2, 128, 3, 3], data: wave(2 * 128 * 9, 0.05, 0.7) },
    'unet.conv_out.lora_B.weight': { shape: [16, 2, 1, 1], data: wave(32, 3, 2.1) },
  });
}

/** Fields of the nodes of a type, in the place of what an example has there. */
function withFields(flow: string, type: string, fields: object): string {
  const nodes = JSON.parse(flow) as { type: string }[];
  for (const each of nodes) if (each.type === type) Object.assign(each, fields);
  return JSON.stringify(nodes);
}

/** The engine of an example, on another model. */
function onModel(flow: string, model: string, adapters: object[] = []): string {
  return withFields(flow, 'streamdiffusion-engine', { modelType: 'str', model, adapters });
}

describe('examples that steer by adapters', function () {
  this.timeout(4 * PATIENCE);
  after(removeModelFolders);

  describe('control by edges', () => {
    let example: Example;
    before(async () => {
      const model = await changedModel({ 'controlnet/shape/model.onnx': brightnessNet() }, join(ROOT, 'models/starter'));
      example = await Example.start('16 - Control by edges.json', 'steered', (flow) => onModel(flow, model));
    });
    after(() => example?.end());

    it('shows the map that steers: white lines on black', async () => {
      const map = await example.picture('edges');
      assert.ok(Math.max(...map) > 40 && map.filter((byte) => byte < 20).length > map.length / 2, [...map.subarray(0, 96)].join());
    });

    it('paints otherwise when the buttons say how strongly the map counts', async () => {
      const steered = await example.picture();
      await example.press('control-by-edges-off');
      await example.becomes((picture) => distance(picture, steered) > 15, 'nothing is steered');
      const plain = await example.picture();
      await example.press('control-by-edges-double');
      await example.becomes((picture) => distance(picture, plain) > 15, 'it is steered');
      await example.press('control-by-edges-off');
      // The test card moves on meanwhile.
      await example.becomes((picture) => distance(picture, plain) < 12, 'nothing is steered again');
    });
  });

  describe('a picture as the prompt', () => {
    let example: Example;
    before(async () => {
      const adapters = [{ name: 'look', path: PATHS.picture }];
      const model = await withTokenizer();
      example = await Example.start('22 - Picture as prompt.json', 'look', (flow) => onModel(flow, model, adapters));
    });
    after(() => example?.end());

    // The reference model paints nearly the same of all frames: what differs here comes of the picture.
    it('takes over what is sent to its page, gradually, and goes back to its words', async () => {
      const page = await fetch(`${example.server.address}/look`);
      assert.match(await page.text(), /type="file"/);
      const words = await example.picture();
      const body = await sharp({ create: { width: 80, height: 60, channels: 3, background: '#e02010' } })
        .jpeg()
        .toBuffer();
      const sent = await fetch(`${example.server.address}/look`, { method: 'POST', headers: { 'content-type': 'image/jpeg' }, body });
      assert.equal(sent.status, 204);
      await example.becomes((picture) => distance(picture, words) > 0.1, 'it looks otherwise');
      await example.press('picture-as-prompt-words');
      await example.becomes((picture) => distance(picture, words) < 0.05, 'the words alone');
      assert.doesNotMatch(example.server.output, /EBAD|error/i);
    });
  });

  describe('a LoRA with a fader over MQTT, with a real broker', () => {
    let example: Example;
    let broker: Broker;
    let client: MqttClient;
    before(async function () {
      broker = await brokerOrSkip(this);
      const model = await withTokenizer();
      const adapters = [{ name: 'style', path: PATHS.style }];
      example = await Example.start('21 - LoRA with a fader over MQTT.json', 'style', (flow) =>
        onModel(flow, model, adapters).replace('"port":"1883"', `"port":"${broker.port}"`),
      );
      client = await mqttClient(broker.port);
    });
    after(async () => {
      client?.end(true);
      await example?.end();
      await broker?.stop();
    });

    // The reference model paints nearly the same of all frames: what differs here comes of the LoRA.
    it('follows the fader, and the buttons, which publish as it does', async () => {
      const trained = await example.picture();
      client.publish('weights/style', '0');
      await example.becomes((picture) => distance(picture, trained) > 0.1, 'the style is off');
      const plain = await example.picture();
      client.publish('weights/style', '40');
      await example.becomes((picture) => distance(picture, plain) > 0.1, 'the style is on');
      await example.press('lora-fader-off');
      await example.becomes((picture) => distance(picture, plain) < 0.05, 'the style is off again');
    });

    it('says so of a fader that no adapter is called like, and goes on', async () => {
      client.publish('weights/glow', '1');
      await until(
        () => /no adapter is called "glow"; there are style/.test(example.server.output),
        PATIENCE,
        () => example.server.output,
      );
      const plain = await example.picture();
      client.publish('weights/style', '1');
      await example.becomes((picture) => distance(picture, plain) > 0.1, 'the style is on');
    });
  });

  describe('a fader that is swept sixty times a second, with a real broker', () => {
    const SWEEP_MS = 4000;
    const MESSAGES = (SWEEP_MS * 60) / 1000;
    let example: Example;
    let broker: Broker;
    let client: MqttClient;
    let folder: string;
    before(async function () {
      broker = await brokerOrSkip(this);
      folder = await mkdtemp(join(tmpdir(), 'swept-'));
      const path = join(folder, 'gaudy.safetensors');
      await writeFile(path, gaudyLora());
      // One picture again and again: what changes is the fader's.
      await mkdir(join(folder, 'still'));
      await sharp({ create: { width: 256, height: 256, channels: 3, background: '#6080a0' } })
        .jpeg()
        .toFile(join(folder, 'still', 'still.jpg'));
      const still = { kind: 'folder', folder: join(folder, 'still'), interval: '80' };
      example = await Example.start('21 - LoRA with a fader over MQTT.json', 'style', (flow) =>
        withFields(onModel(flow, join(ROOT, 'models/starter'), [{ name: 'style', path }]), 'streamdiffusion-source', still).replace(
          '"port":"1883"',
          `"port":"${broker.port}"`,
        ),
      );
      client = await mqttClient(broker.port);
    });
    after(async () => {
      client?.end(true);
      await example?.end();
      await broker?.stop();
      if (folder) await rm(folder, { recursive: true, force: true });
    });

    it('shows no jump, ends where the fader ends, and costs no frame', async () => {
      const set = (weight: number): void => client.publish('weights/style', String(weight));
      const full = await example.picture();
      set(0);
      await example.becomes((picture) => distance(picture, full) > 15, 'the style is off');
      let plain = await example.picture();
      await eventually(async () => {
        const last = plain;
        await new Promise((resolve) => setTimeout(resolve, 1000));
        plain = await example.picture();
        return distance(plain, last) < 1;
      });
      const span = distance(plain, full);

      const seen: { jpeg: Buffer; at: number }[] = [];
      const stop = new AbortController();
      const stream = (async () => {
        for await (const { jpeg } of readMjpeg(`${example.server.address}/streamdiffusion/style.mjpg`)) {
          if (stop.signal.aborted) return;
          seen.push({ jpeg, at: performance.now() });
        }
      })();
      await until(() => seen.length > 2);
      const before = await rateWithin(seen, SWEEP_MS / 2);
      const first = seen.length;
      const began = performance.now();
      // A hand that the machine holds up does not hurry afterwards.
      for (let k = 1; k <= MESSAGES; k++) {
        set(k / MESSAGES);
        await new Promise((resolve) => setTimeout(resolve, 1000 / 60));
      }
      const took = performance.now() - began;
      const swept = (1000 * (seen.length - first)) / took;
      // Others want the machine now and then, so the slower one of two times counts.
      const atRest = Math.min(before, await rateWithin(seen, SWEEP_MS / 2));
      await example.becomes((picture) => distance(picture, full) < 0.05 * span, 'it ends where the fader ends');
      stop.abort();
      await stream;

      // How far each picture is on the way from one end to the other.
      const shown = seen.slice(first - 1);
      const way = await Promise.all(shown.map(async ({ jpeg }) => distance(await small(jpeg), plain) / span));
      const steps = way.slice(1).map((part, k) => part - way[k]);
      const told = `${swept.toFixed(1)} frames a second, ${atRest.toFixed(1)} at rest: ${way.map((part) => part.toFixed(2)).join(' ')}`;
      console.log(`      ${told}`);
      // Where the machine stood still for a moment the fader has gone on.
      const pauses = steps.map((_, k) => (shown[k + 1].at - shown[k].at) / took);
      assert.ok(
        steps.every((step, k) => step < 0.15 + 2 * pauses[k]),
        `it jumps: ${told}`,
      );
      assert.ok(Math.min(...steps) > -0.05, `it goes back: ${told}`);
      // Sixty messages a second are work as well; where each cost a frame, hardly one would come.
      assert.ok(swept >= 0.25 * atRest, `frames are lost: ${told}`);
      assert.doesNotMatch(example.server.output, /EBAD|error/i);
    });
  });
});
