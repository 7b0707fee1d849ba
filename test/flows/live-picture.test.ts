import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { readMjpeg } from '../lib/mjpeg';
import { PATIENCE, until } from '../lib/flow';
import { Server } from '../lib/server';
import { strain } from '../lib/strain';
import { BEGINS_TO_SHOW } from '../lib/starter';
import { isAlive } from '../lib/processes';

const run = promisify(execFile);
const ROOT = resolve(__dirname, '../../..');

describe('the first example, started as a process', () => {
  let server: Server;
  let startedAt: number;

  before(async () => {
    startedAt = performance.now();
    server = await Server.start();
    await server.ready();
  });
  after(async () => server.stop());

  it('shows its first picture within 15 s, and then one new picture after the other', async () => {
    const viewer = readMjpeg(`${server.address}/streamdiffusion/live.mjpg`);
    const pictures: string[] = [];
    while (pictures.length < 20) {
      const part = await viewer.next();
      assert.ok(part.value, 'the stream goes on');
      if (pictures.length === 0) {
        const waited = performance.now() - startedAt;
        assert.ok(waited < 15_000 * strain(), `the first picture came after ${waited} ms`);
        const { width, height } = await sharp(part.value.jpeg).metadata();
        assert.deepEqual([width, height], [256, 256]);
      }
      pictures.push(part.value.jpeg.toString('base64'));
    }
    await viewer.return();
    assert.equal(new Set(pictures).size, pictures.length, 'no picture comes twice');
  });

  it('answers the editor while it paints', async () => {
    const viewer = readMjpeg(`${server.address}/streamdiffusion/live.mjpg`);
    await viewer.next();
    // A server that has nothing else to do, for what is owed to the machine.
    const idle = createServer((_request, response) => response.end());
    await new Promise<void>((ready) => idle.listen(0, '127.0.0.1', ready));
    const addresses = { settings: `${server.address}/settings`, idle: `http://127.0.0.1:${(idle.address() as AddressInfo).port}` };
    const times: Record<'settings' | 'idle', number[]> = { settings: [], idle: [] };
    for (let k = 0; k < 40; k++) {
      for (const who of ['settings', 'idle'] as const) {
        const asked = performance.now();
        const response = await fetch(addresses[who]);
        await response.arrayBuffer();
        times[who].push(performance.now() - asked);
        assert.equal(response.status, 200);
      }
    }
    idle.close();
    idle.closeAllConnections();
    await viewer.return();
    // A net in Node-RED's process would hold up most answers.
    const [median, owed] = [times.settings, times.idle].map((each) => each.sort((a, b) => a - b)[20]);
    assert.ok(median < 50 + 5 * owed, `half of the answers took longer than ${median} ms, those of an idle server ${owed} ms`);
  });

  it('paints what the prompt says: night is darker than sunset', async () => {
    const brightness = async (): Promise<number> => {
      const jpeg = Buffer.from(await (await fetch(`${server.address}/streamdiffusion/live.jpg`)).arrayBuffer());
      const { channels } = await sharp(jpeg).stats();
      return channels.reduce((sum, channel) => sum + channel.mean, 0) / channels.length;
    };
    const sunset = await brightness();
    // What the editor does when an inject node's button is pressed.
    const pressed = await fetch(`${server.address}/inject/live-picture-night`, { method: 'POST' });
    assert.equal(pressed.status, 200);
    let night = sunset;
    const deadline = performance.now() + PATIENCE;
    while (night > sunset - BEGINS_TO_SHOW && performance.now() < deadline) night = await brightness();
    assert.ok(night < sunset - BEGINS_TO_SHOW, `brightness was ${sunset}, and is ${night} at night`);
  });

  it('ends on SIGTERM, and leaves no process behind', async () => {
    const engines = await childrenOf(server.child.pid);
    assert.ok(engines.length >= 1, 'the engine has a process of its own');
    const asked = performance.now();
    await server.stop();
    assert.ok(performance.now() - asked < 10_000 * strain());
    await until(
      () => engines.every((pid) => !isAlive(pid)),
      PATIENCE,
      () => `still there: ${engines.filter(isAlive)}`,
    );
    server = await Server.start();
    await server.ready();
  });

  it('leaves no process behind when it is killed', async () => {
    const viewer = readMjpeg(`${server.address}/streamdiffusion/live.mjpg`);
    await viewer.next();
    const engines = await childrenOf(server.child.pid);
    assert.ok(engines.length >= 1);
    server.child.kill('SIGKILL');
    await Promise.all([
      server.exited,
      assert.rejects(async () => {
        for (;;) if ((await viewer.next()).done) throw new Error('the stream ended');
      }),
    ]);
    await until(
      () => engines.every((pid) => !isAlive(pid)),
      PATIENCE,
      () => `still there: ${engines.filter(isAlive)}`,
    );
  });
});

describe('npm start', () => {
  /** Starts with options that cannot work; resolves to what it says. */
  async function refusal(options: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const server = await Server.start(options, env);
    assert.equal(await server.exited, 1, server.output);
    await server.stop();
    assert.doesNotMatch(server.output, /\n +at /, 'a sentence, no stack');
    return server.output;
  }

  it('says which port is taken, and what to do', async () => {
    const other = createServer();
    await new Promise<void>((listening) => other.listen(0, '127.0.0.1', listening));
    const { port } = other.address() as AddressInfo;
    assert.match(await refusal([], { PORT: String(port) }), new RegExp(`Port ${port} is taken.*PORT=${port + 1} npm start`));
    other.close();
  });

  it('refuses to be reached by strangers without a password', async () => {
    assert.match(await refusal([], { HOST: '0.0.0.0' }), /NODE_RED_USER and NODE_RED_PASSWORD_HASH/);
  });

  it('says which examples and options there are', async () => {
    assert.match(await refusal(['--example', 'Sunday']), /no example "Sunday"[\s\S]*01 - Live picture/);
    assert.match(await refusal(['--colour', 'red']), /--colour[\s\S]*--example NAME/);
    assert.match(await refusal(['--model', '/nowhere']), /no model folder \/nowhere/);
    assert.match(await refusal([], { PORT: 'eighty' }), /PORT must be a number.*"eighty"/);
  });

  it('puts the model into the engine of a copy, and keeps what the user changed there', async () => {
    const model = join(ROOT, 'test/fixtures/reference/model');
    const server = await Server.start(['--model', model]);
    await server.ready();
    const flows = JSON.parse(await readFile(join(server.folder, 'flows.json'), 'utf8')) as Record<string, unknown>[];
    const engine = flows.find(({ type }) => type === 'streamdiffusion-engine');
    assert.deepEqual([engine?.model, engine?.modelType], [model, 'str']);
    assert.match(await readFile(join(ROOT, 'examples/01 - Live picture.json'), 'utf8'), /"modelType": "starter"/);

    // As the editor does on Deploy.
    const edited = flows.map((node) => (node.type === 'streamdiffusion-sink' ? { ...node, name: 'mine' } : node));
    await server.deploy(edited);
    server.child.kill('SIGTERM');
    await server.exited;
    const again = await Server.start(['--user-dir', server.folder]);
    await again.ready();
    assert.match(again.output, /streamdiffusion\/mine/);
    await again.stop();
    await server.stop();
  });
});

async function childrenOf(pid: number | undefined): Promise<number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)]);
  return stdout.split('\n').filter(Boolean).map(Number);
}
