import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { type Broker, brokerOrSkip, mqttClient, type MqttClient } from '../lib/broker';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { strain } from '../lib/strain';
import { PATIENCE, until } from '../lib/until';
import { BEGINS_TO_SHOW } from '../lib/starter';

interface PieceStatus {
  fps: number;
  latencyMs: number | null;
  prompt: string | null;
  paused: boolean;
}

describe('the example that listens to MQTT, with a real broker', function () {
  this.timeout(180_000);
  let broker: Broker;
  let client: MqttClient;
  let server: Server;
  let folder: string;
  let status: PieceStatus | undefined;
  let snapshot: Buffer | undefined;
  const errors: string[] = [];

  before(async function () {
    broker = await brokerOrSkip(this);
    folder = await mkdtemp(join(tmpdir(), 'piece-'));
    const flow = await readFile(join(ROOT, 'examples/02 - MQTT piece.json'), 'utf8');
    await writeFile(join(folder, 'flows.json'), flow.replace('"port": "1883"', `"port": "${broker.port}"`));
    client = await mqttClient(broker.port);
    client.on('message', (topic, payload) => {
      if (topic === 'piece/status') status = JSON.parse(payload.toString()) as PieceStatus;
      if (topic === 'piece/picture') snapshot = payload;
      if (topic === 'piece/error') errors.push(payload.toString());
    });
    for (const topic of ['piece/status', 'piece/picture', 'piece/error']) client.subscribe(topic);
    await start();
  });
  after(async () => {
    client?.end(true);
    await server?.stop();
    await broker?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    status = undefined;
    server = await Server.start(['--example', '2', '--user-dir', folder]);
    await server.ready();
    await until(
      () => (status?.fps ?? 0) > 0,
      PATIENCE,
      () => server.output,
    );
  }

  const set = (name: string, value: string): void => client.publish(`piece/set/${name}`, value);
  const painted = (prompt: string): Promise<void> =>
    until(
      () => status?.prompt === prompt,
      PATIENCE,
      () => JSON.stringify(status) + errors.join(' '),
    );

  async function brightness(): Promise<number> {
    const jpeg = Buffer.from(await (await fetch(`${server.address}/streamdiffusion/piece.jpg`)).arrayBuffer());
    const { channels } = await sharp(jpeg).stats();
    return channels.reduce((sum, { mean }) => sum + mean, 0) / channels.length;
  }

  /** Waits until the picture's brightness is as it should be. */
  async function becomes(isSo: (value: number) => boolean): Promise<number> {
    let value = NaN;
    for (const end = performance.now() + PATIENCE; performance.now() < end && !isSo(value); ) value = await brightness();
    assert.ok(isSo(value), `the brightness is ${value}`);
    return value;
  }

  let sunset: number;

  it('turns into the scene that is published, and says so', async () => {
    set('transition', '500');
    sunset = await brightness();
    set('prompt', 'night, aurora, snow');
    await painted('night, aurora, snow');
    await becomes((value) => value < sunset - BEGINS_TO_SHOW);
  });

  it('queues nothing of 200 changes a second: the last one wins', async () => {
    const startedAt = performance.now();
    for (let k = 0; k < 400; k++) {
      set('prompt', `night, ${['snow', 'rain', 'fog', 'forest', 'sea'][k % 5]}, ${k}`);
      const due = startedAt + k * 5;
      if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    }
    set('prompt', 'sunset over the sea');
    await painted('sunset over the sea');
    await becomes((value) => value > sunset - BEGINS_TO_SHOW);
    await until(() => Number(status?.latencyMs) > 0);
    assert.ok(Number(status?.latencyMs) < 5000 * strain(), JSON.stringify(status));
  });

  it('takes weights for the texts of a list, and parameters', async () => {
    set(
      'prompt',
      JSON.stringify([
        { text: 'desert, day', weight: 1 },
        { text: 'night', weight: 0 },
      ]),
    );
    await painted('desert, day + night');
    const day = await brightness();
    set('weights', '[0, 1]');
    await becomes((value) => value < day - BEGINS_TO_SHOW);
    for (const [name, value] of [
      ['strength', '0.7'],
      ['guidance', '1.4'],
      ['seed', '7'],
      ['negative', 'fog'],
    ])
      set(name, value);
    assert.deepEqual(
      errors.filter((text) => !text.includes('does not know')),
      [],
    );
    set('strength', '7');
    await until(
      () => errors.some((text) => text.includes('strength')),
      PATIENCE,
      () => errors.join(' '),
    );
    set('strength', '0.7');
  });

  it('publishes a snapshot when it is asked for one', async () => {
    client.publish('piece/snapshot', '');
    await until(() => snapshot !== undefined);
    const { format, width, height } = await sharp(snapshot).metadata();
    assert.deepEqual([format, width, height], ['jpeg', 256, 256]);
  });

  it('pauses, and goes on', async () => {
    set('pause', 'true');
    await until(
      () => status?.paused === true && status.fps === 0,
      PATIENCE,
      () => JSON.stringify(status),
    );
    set('pause', 'false');
    await until(
      () => status?.paused === false && status.fps > 0,
      PATIENCE,
      () => JSON.stringify(status),
    );
  });

  it('is after a restart what it was set to', async () => {
    set('prompt', 'pastel castle on a hill');
    await painted('pastel castle on a hill');
    const code = server.child;
    code.kill('SIGTERM');
    await server.exited;
    await start();
    await painted('pastel castle on a hill');
  });
});
