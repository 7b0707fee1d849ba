import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useCommunityNodes } from '../lib/community';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { brightness, newestPicture } from '../lib/sink-picture';
import { freeUdpPort } from '../lib/udp';
import { eventually, PATIENCE } from '../lib/until';
import { isDay, isNight } from '../lib/starter';

/** An ArtDmx packet of Art-Net 4: header, opcode 0x5000, protocol 14, sequence, physical, universe, length, values. */
function artDmx(values: Uint8Array, universe = 0): Buffer {
  const header = Buffer.from([
    ...Buffer.from('Art-Net\0'),
    0x00,
    0x50,
    0,
    14,
    0,
    0,
    universe & 0xff,
    universe >> 8,
    values.length >> 8,
    values.length & 0xff,
  ]);
  return Buffer.concat([header, values]);
}

describe('the example on a lighting desk, with the nodes of @bannsaenger/node-red-contrib-artnet-controller and real Art-Net', function () {
  this.timeout(4 * PATIENCE);
  let server: Server;
  let folder: string;
  let socket: Socket;
  let port: number;
  const desk = new Uint8Array(512);

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'dmx-'));
    const missing = await useCommunityNodes('@bannsaenger/node-red-contrib-artnet-controller', folder);
    if (missing) {
      console.log(`      ${missing}`);
      this.skip();
    }
    port = await freeUdpPort();
    const flow = await readFile(join(ROOT, 'examples/With Art-Net/13 - DMX piece.json'), 'utf8');
    await writeFile(
      join(folder, 'flows.json'),
      flow.replace('"port": "6454"', `"port": "${port}"`).replace('"bind": "0.0.0.0"', '"bind": "127.0.0.1"'),
    );
    socket = createSocket('udp4');
    server = await Server.start(['--example', 'DMX piece', '--user-dir', folder]);
    await server.ready();
    await newestPicture(server, 'dmx-piece');
  });
  after(async () => {
    await server?.stop();
    socket?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Moves faders, by their channels, and sends the whole universe, as a desk does. */
  function move(faders: Record<number, number>, universe = 0): void {
    for (const [channel, value] of Object.entries(faders)) desk[Number(channel) - 1] = value;
    socket.send(artDmx(desk, universe), port, '127.0.0.1');
  }

  const brightnessNow = async (): Promise<number> => brightness(await newestPicture(server, 'dmx-piece'));

  async function becomes(isSo: (value: number) => boolean): Promise<void> {
    let value = NaN;
    for (const end = performance.now() + PATIENCE; performance.now() < end && !isSo(value); ) value = await brightnessNow();
    assert.ok(isSo(value), `the brightness is ${value}`);
  }

  it('mixes its prompts by faders, at the speed of a desk', async () => {
    move({ 1: 0, 2: 255, 5: 180, 6: 30, 8: 128, 9: 128 });
    await becomes(isNight);
    for (let k = 0; k <= 88; k++) {
      move({ 2: 255 - Math.floor((k * 255) / 88), 4: Math.floor((k * 255) / 88) });
      await new Promise((next) => setTimeout(next, 1000 / 44));
    }
    await becomes(isDay);
  });

  it('leaves other universes alone, and keeps the mix when all its faders are down', async () => {
    move({ 2: 255, 4: 0 }, 3);
    await new Promise((wait) => setTimeout(wait, 1000));
    assert.ok(isDay(await brightnessNow()));
    move({ 2: 0, 4: 0 });
    await new Promise((wait) => setTimeout(wait, 1000));
    assert.ok(isDay(await brightnessNow()));
  });

  it('changes within the time of its fader', async () => {
    move({ 2: 255, 11: 10 });
    await becomes(isNight);
  });

  it('pauses, and goes on', async () => {
    const picture = async (): Promise<string> => (await newestPicture(server, 'dmx-piece')).toString('base64');
    move({ 12: 255 });
    let held = await picture();
    // What is under way comes to its end.
    await eventually(async () => {
      const before = held;
      await new Promise((wait) => setTimeout(wait, 1500));
      held = await picture();
      return held === before;
    });
    move({ 12: 0 });
    await eventually(async () => (await picture()) !== held);
  });

  it('had nothing to complain about', () => assert.doesNotMatch(server.output, /\[error\]/));
});
