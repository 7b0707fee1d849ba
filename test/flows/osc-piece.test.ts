import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useCommunityNodes } from '../lib/community';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { strain } from '../lib/strain';
import { brightness, newestPicture } from '../lib/sink-picture';
import { freeUdpPort } from '../lib/udp';
import { PATIENCE, until } from '../lib/until';
import { isDay, isNight } from '../lib/starter';

/** A text or number of OSC 1.0, padded to 4 bytes. */
const text = (value: string): Buffer => Buffer.concat([Buffer.from(value), Buffer.alloc(4 - (Buffer.byteLength(value) % 4))]);
const float = (value: number): Buffer => Buffer.from(new Uint8Array(new Float32Array([value]).buffer)).swap32();

/** An OSC message as an app sends it: address, type tags, arguments. */
function osc(address: string, ...args: (string | number)[]): Buffer {
  const tags = args.map((arg) => (typeof arg === 'string' ? 's' : 'f')).join('');
  return Buffer.concat([text(address), text(`,${tags}`), ...args.map((arg) => (typeof arg === 'string' ? text(arg) : float(arg)))]);
}

function bundle(...messages: Buffer[]): Buffer {
  const sized = messages.flatMap((message) => [Buffer.from(new Uint8Array(new Uint32Array([message.length]).buffer)).swap32(), message]);
  return Buffer.concat([text('#bundle'), Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]), ...sized]);
}

describe('the example that is played over OSC, with the node of node-red-contrib-osc and real UDP', function () {
  this.timeout(4 * PATIENCE);
  let server: Server;
  let folder: string;
  let socket: Socket;
  let port: number;
  /** What the piece answers, newest by address. */
  const answers = new Map<string, string | number>();
  const errors: string[] = [];

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'osc-'));
    const missing = await useCommunityNodes('node-red-contrib-osc', folder);
    if (missing) {
      console.log(`      ${missing}`);
      this.skip();
    }
    port = await freeUdpPort();
    const flow = await readFile(join(ROOT, 'examples/With OSC/12 - OSC piece.json'), 'utf8');
    socket = createSocket('udp4');
    await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound));
    socket.on('message', (packet) => {
      const address = packet.subarray(0, packet.indexOf(0)).toString();
      const tags = 4 * Math.floor(address.length / 4) + 4;
      const isText = packet[tags + 1] === 's'.charCodeAt(0);
      const value = isText ? packet.subarray(tags + 4, packet.indexOf(0, tags + 4)).toString() : packet.readFloatBE(tags + 4);
      answers.set(address, value);
      if (address === '/piece/error') errors.push(String(value));
    });
    await writeFile(
      join(folder, 'flows.json'),
      flow.replace('"port": "7000"', `"port": "${port}"`).replace('"port": "7001"', `"port": "${socket.address().port}"`),
    );
    server = await Server.start(['--example', 'OSC piece', '--user-dir', folder]);
    await server.ready();
    await until(
      () => Number(answers.get('/piece/fps')) > 0,
      PATIENCE,
      () => server.output,
    );
  });
  after(async () => {
    await server?.stop();
    socket?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const send = (packet: Buffer): void => socket.send(packet, port, '127.0.0.1');
  const shows = (prompt: string): Promise<void> =>
    until(
      () => answers.get('/piece/showing') === prompt,
      PATIENCE,
      () => JSON.stringify([...answers]) + server.output,
    );
  const brightnessNow = async (): Promise<number> => brightness(await newestPicture(server, 'osc-piece'));

  async function becomes(isSo: (value: number) => boolean): Promise<void> {
    let value = NaN;
    for (const end = performance.now() + PATIENCE; performance.now() < end && !isSo(value); ) value = await brightnessNow();
    assert.ok(isSo(value), `the brightness is ${value}`);
  }

  it('turns into the scene that is sent, and answers what it shows', async () => {
    send(osc('/piece/transition', 300));
    send(osc('/piece/prompt', 'desert, day, sun'));
    await shows('desert, day, sun');
    await becomes(isDay);
    send(osc('/piece/prompt', 'night'));
    await shows('night');
    await becomes(isNight);
    await until(() => Number(answers.get('/piece/latency')) > 0);
  });

  it('mixes several texts by faders that send 200 values a second: the last one wins', async () => {
    send(osc('/piece/prompt', 'night', 'desert, day, sun'));
    await shows('night + desert, day, sun');
    for (let k = 0; k <= 200; k++) {
      send(osc('/piece/weights', 1 - k / 200, k / 200));
      await new Promise((next) => setTimeout(next, 5));
    }
    await becomes(isDay);
    assert.ok(Number(answers.get('/piece/latency')) < 5000 * strain(), `${answers.get('/piece/latency')} ms`);
  });

  it('takes bundles and every setting, pauses and goes on', async () => {
    send(bundle(osc('/piece/strength', 0.7), osc('/piece/guidance', 1.4), osc('/piece/seed', 7), osc('/piece/drift', 1)));
    send(
      bundle(
        osc('/piece/feedback', 0.4),
        osc('/piece/zoom', 1.02),
        osc('/piece/rotate', 1),
        osc('/piece/negative', 'fog'),
        osc('/piece/pause', 1),
      ),
    );
    await until(
      () => answers.get('/piece/fps') === 0,
      PATIENCE,
      () => JSON.stringify([...answers]),
    );
    send(osc('/piece/pause', 0));
    await until(
      () => Number(answers.get('/piece/fps')) > 0,
      PATIENCE,
      () => JSON.stringify([...answers]),
    );
    assert.deepEqual(errors, []);
  });

  it('outlives packets that are none, and says what cannot be', async () => {
    send(Buffer.from('not OSC at all'));
    send(osc('/piece/strength', 7));
    send(osc('/piece/colour', 'red'));
    await until(
      () => ['strength', 'no setting'].every((words) => errors.some((error) => error.includes(words))),
      PATIENCE,
      () => `${errors}`,
    );
    await until(() => Number(answers.get('/piece/fps')) > 0);
  });
});
