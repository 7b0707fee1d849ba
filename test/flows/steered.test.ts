import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { Broker, mqttClient, type MqttClient } from '../lib/broker';
import { PATHS } from '../lib/control-cases';
import { changedModel, removeModelFolders, withTokenizer } from '../lib/model-folder';
import { node, onnxModel, value, weight } from '../lib/onnx-maker';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { newestPicture } from '../lib/sink-picture';
import { PATIENCE, until } from '../lib/until';

const SIZE = 32;

/** A picture's pixels in small. */
async function small(jpeg: Buffer): Promise<Buffer> {
  return sharp(jpeg).resize(SIZE, SIZE, { fit: 'fill' }).removeAlpha().raw().toBuffer();
}

/** Grey levels by which two pictures differ, on average. */
function distance(a: Buffer, b: Buffer): number {
  return a.reduce((sum, byte, k) => sum + Math.abs(byte - b[k]), 0) / a.length;
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

/** An example as it runs for somebody. */
class Example {
  private constructor(
    readonly server: Server,
    private readonly folder: string,
    private readonly sink: string,
  ) {}

  static async start(file: string, sink: string, change: (flow: string) => string): Promise<Example> {
    const folder = await mkdtemp(join(tmpdir(), 'steered-'));
    await writeFile(join(folder, 'flows.json'), change(await readFile(join(ROOT, 'examples', file), 'utf8')));
    const server = await Server.start(['--example', file, '--user-dir', folder]);
    await server.ready();
    return new Example(server, folder, sink);
  }

  async picture(sink = this.sink): Promise<Buffer> {
    return small(await newestPicture(this.server, sink));
  }

  /** Waits until the picture is what is wanted. */
  async becomes(isSo: (picture: Buffer) => boolean, what: string): Promise<void> {
    for (const end = performance.now() + PATIENCE; performance.now() < end; await new Promise((wait) => setTimeout(wait, 100)))
      if (isSo(await this.picture())) return;
    assert.fail(`${what}\n${this.server.output}`);
  }

  /** As the editor does when a button is pressed. */
  async press(id: string): Promise<void> {
    assert.equal((await fetch(`${this.server.address}/inject/${id}`, { method: 'POST' })).status, 200);
  }

  async end(): Promise<void> {
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The engine of an example, on another model. */
function onModel(flow: string, model: string, adapters: object[] = []): string {
  const nodes = JSON.parse(flow) as { type: string }[];
  for (const each of nodes) if (each.type === 'streamdiffusion-engine') Object.assign(each, { modelType: 'str', model, adapters });
  return JSON.stringify(nodes);
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
      if (!Broker.isThere) {
        console.log('      mosquitto is not installed');
        this.skip();
      }
      broker = await Broker.start();
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
});
