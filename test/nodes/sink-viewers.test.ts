import assert from 'node:assert/strict';
import { connect, type AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import sharp from 'sharp';
import sink from '../../nodes/sink';
import { PATIENCE, helper, until, type FlowNode } from '../lib/flow';
import { readMjpeg } from '../lib/mjpeg';
import { eventually } from '../lib/until';
import { WebFlow } from '../lib/web-flow';

const FLOW: FlowNode[] = [{ id: 'sink', type: 'streamdiffusion-sink', name: 'wall', wires: [[]] }];

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Frees what nobody holds any more; how long V8 leaves it lying differs from version to version. */
function collectGarbage(): void {
  gc();
  // Buffers are freed beside the first one, and counted by the second.
  gc();
}

describe('viewers of a sink', () => {
  let web: WebFlow;
  let pictures: Buffer[];

  before(async () => {
    // Noise does not compress: about 100 kB each.
    const noisy = (k: number): Promise<Buffer> =>
      sharp({ create: { width: 400, height: 400, channels: 3, background: '#777', noise: { type: 'gaussian', mean: 100 + k, sigma: 60 } } })
        .jpeg({ quality: 90 })
        .toBuffer();
    pictures = await Promise.all(Array.from({ length: 8 }, (_, k) => noisy(k)));
  });
  beforeEach(async () => (web = await WebFlow.start([sink], FLOW)));
  afterEach(async () => web.stop());

  const show = (payload: Buffer, frame: object = {}): void => helper.getNode('sink').receive({ payload, frame });

  it('get every picture over a WebSocket, as a JPEG in one message', async () => {
    show(pictures[0]);
    const visitor = await web.enter('wall');
    await until(() => visitor.heard.length === 1);
    for (const [k, picture] of pictures.slice(1, 4).entries()) {
      show(picture);
      await until(() => visitor.heard.length === k + 2);
    }
    assert.deepEqual(visitor.heard, pictures.slice(0, 4));
  });

  it('are told what is known of each picture when they ask, and get the next when they have drawn it', async () => {
    const visitor = await web.enter('wall?details');
    for (const k of [0, 1, 2, 3]) {
      show(pictures[k], { id: k, timestamp: 5, big: Array(1000), broken: 10n });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await until(() => visitor.heard.length >= 4);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(
      visitor.heard,
      [{ frame: { id: 0, timestamp: 5 } }, pictures[0], { frame: { id: 1, timestamp: 5 } }, pictures[1]],
      'two are on their way',
    );
    visitor.send('');
    await until(() => visitor.heard.length === 6);
    assert.deepEqual(visitor.heard.slice(4), [{ frame: { id: 3, timestamp: 5 } }, pictures[3]], 'then comes the newest one');
  });

  it('cost each other nothing: of twenty one is stalled, the others get every picture, and memory stays flat', async () => {
    const SHOWN = 240;
    const MS = 25;
    const stalled = connect((web.server.address() as AddressInfo).port, '127.0.0.1');
    stalled.pause();
    stalled.write('GET /streamdiffusion/wall.mjpg HTTP/1.1\r\nHost: x\r\n\r\n');
    const sockets = await Promise.all(Array.from({ length: 10 }, () => web.enter('wall')));
    const drawing = await web.enter('wall?details');
    drawing.on('message', (_, isBinary) => isBinary && drawing.send(''));
    const streamed = Array<number>(8).fill(0);
    const streams = streamed.map(async (_, k) => {
      for await (const part of readMjpeg(`${web.address}/wall.mjpg`)) if (part) streamed[k]++;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));

    const received = sockets.map(() => 0);
    let drawn = 0;
    let least = Infinity;
    let most = 0;
    const began = performance.now();
    for (let k = 0; k < SHOWN; k++) {
      show(pictures[k % pictures.length]);
      // The viewers are part of this process: on a busy machine they need longer, and a picture that is not awaited would make
      // way for the next one, as it is to.
      const count = k + 1;
      const all = (): number[] => [...streamed, ...received, drawn];
      await until(
        () => {
          // What viewers received is not the sink's memory.
          for (const [i, { heard }] of sockets.entries()) received[i] += heard.splice(0).length;
          drawn += drawing.heard.splice(0).filter((message) => Buffer.isBuffer(message)).length;
          return all().every((seen) => seen === count);
        },
        PATIENCE,
        () => `of ${count} pictures the viewers got ${all().join(', ')}`,
      );
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + count * MS - performance.now())));
      if (k < SHOWN / 3 || k % 10 > 0) continue;
      collectGarbage();
      const { arrayBuffers } = process.memoryUsage();
      least = Math.min(least, arrayBuffers);
      most = Math.max(most, arrayBuffers);
    }
    const rate = (SHOWN * 1000) / (performance.now() - began);
    console.log(
      `      ${rate.toFixed(1)} pictures a second to 19 viewers beside a stalled one; buffers from ${Math.round(least / 1e6)} to ${Math.round(most / 1e6)} MB`,
    );
    // One waiting picture for the stalled viewer, and what is on its way to the others.
    assert.ok(most - least < 10e6, `buffers grew from ${least} to ${most} bytes`);
    await web.stop();
    await Promise.all(streams);
    stalled.destroy();
    web = await WebFlow.start([sink], FLOW);
  });

  it('that read slowly get new pictures, not what has piled up before them', async function () {
    if (process.platform !== 'linux') this.skip();
    const RATE = 400_000;
    // Counted in pictures, 20 a second: a machine that stands still shows none meanwhile.
    let shown = 0;
    const source = setInterval(() => {
      shown++;
      show(Buffer.concat([pictures[0], Buffer.from(`#${String(shown).padStart(6, '0')}#`)]));
    }, 50);
    const ages = { stream: [] as number[], socket: [] as number[] };
    const note = (into: number[], bytes: Buffer): void => {
      for (const [, number] of bytes.toString('latin1').matchAll(/#(\d{6})#/g)) into.push(shown - Number(number));
    };
    const stream = connect((web.server.address() as AddressInfo).port, '127.0.0.1', () =>
      stream.write('GET /streamdiffusion/wall.mjpg HTTP/1.1\r\nHost: x\r\n\r\n'),
    );
    stream.pause();
    const sips = setInterval(
      () => note(ages.stream, (stream.read(Math.min(stream.readableLength, RATE / 20)) as Buffer | null) ?? Buffer.alloc(0)),
      50,
    );
    const socket = await web.enter('wall');
    socket.on('message', (data: Buffer) => {
      note(ages.socket, data);
      socket.pause();
      setTimeout(() => socket.resume(), (data.length / RATE) * 1000);
    });
    await until(
      () => shown >= 160 && ages.stream.length > 12 && ages.socket.length > 12,
      PATIENCE,
      () => `of ${shown} pictures came ${ages.stream.length}, ${ages.socket.length}`,
    );
    clearInterval(source);
    clearInterval(sips);
    stream.destroy();
    socket.terminate();
    const oldest = (of: number[]): number => Math.max(...of.slice(of.length / 2));
    console.log(
      `      4 of 20 pictures a second read: at most ${oldest(ages.stream)} behind the newest in the stream, ${oldest(ages.socket)} over a WebSocket`,
    );
    assert.ok(oldest(ages.socket) < 30, `${oldest(ages.socket)} pictures behind`);
    // What the viewer's own system holds for it remains. What piles up is 128 pictures behind after 160.
    assert.ok(oldest(ages.stream) < 100, `${oldest(ages.stream)} pictures behind`);
  });

  it('are refused when there are too many, and a place is free again when one leaves', async () => {
    const all = await Promise.all(Array.from({ length: 250 }, () => web.enter('wall')));
    assert.equal(await web.socket('wall'), 503);
    assert.equal((await fetch(`${web.address}/wall.mjpg`)).status, 503);
    assert.equal((await fetch(`${web.address}/wall`)).status, 200, 'the page itself comes, and tries again');
    all[0].close();
    await all[0].closed;
    await eventually(async () => {
      const socket = await web.socket('wall');
      if (typeof socket === 'object') socket.close();
      return typeof socket === 'object';
    });
    for (const each of all) each.terminate();
  });
});
