import assert from 'node:assert/strict';
import { connect, type AddressInfo, type Socket } from 'node:net';
import sharp from 'sharp';
import { coloured } from '../lib/colours';
import { PATIENCE, calls, until } from '../lib/flow';
import { readMjpeg } from '../lib/mjpeg';
import { setSink } from '../lib/sink-flow';

describe('sink as a stream of JPEGs', () => {
  const sink = setSink();

  it('streams every picture to every viewer, the newest one first', async () => {
    await sink.start();
    const jpegs = await Promise.all(['#f00', '#0f0', '#00f'].map((colour) => coloured(colour).jpeg().toBuffer()));
    sink.show(jpegs[0]);
    const viewers = [readMjpeg(`${sink.address}/live.mjpg`), readMjpeg(`${sink.address}/live.mjpg`)];
    for (const expected of jpegs) {
      if (expected !== jpegs[0]) sink.show(expected);
      for (const viewer of viewers) {
        const part = await viewer.next();
        assert.deepEqual(part.value?.jpeg, expected);
        assert.match(part.value?.head ?? '', new RegExp(`Content-Type: image/jpeg\\r\\nContent-Length: ${expected.length}$`));
      }
    }
    for (const viewer of viewers) await viewer.return(undefined);
  });

  it('has the headers that keep browsers and proxies from holding pictures back', async () => {
    await sink.start();
    const response = await fetch(`${sink.address}/live.mjpg`, { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^multipart\/x-mixed-replace; ?boundary=frame$/);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('x-accel-buffering'), 'no');
  });

  it('a viewer that does not read gets the newest picture when it reads again; the others get all of them', async () => {
    await sink.start();
    // Noise does not compress: each picture is larger than what a connection takes at once.
    const jpegs = await Promise.all(Array.from({ length: 40 }, (_, i) => noise(1200, i)));
    const connections: Socket[] = [];
    sink.web.server.on('connection', (socket) => connections.push(socket));
    const slow = connect((sink.web.server.address() as AddressInfo).port, '127.0.0.1');
    slow.pause();
    slow.write('GET /streamdiffusion/live.mjpg HTTP/1.1\r\nHost: x\r\n\r\n');
    const quick = readMjpeg(`${sink.address}/live.mjpg`);
    await new Promise((resolve) => setTimeout(resolve, 100));

    for (const jpeg of jpegs) {
      sink.show(jpeg);
      assert.deepEqual((await quick.next()).value?.jpeg, jpeg);
    }
    const unsent = Math.max(...connections.map((socket) => socket.writableLength));
    assert.ok(unsent > 0, 'the slow viewer is held up');
    assert.ok(unsent < 2 * jpegs[0].length, `${unsent} bytes wait for the slow viewer`);

    let received = Buffer.alloc(0);
    slow.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
    slow.resume();
    const last = jpegs[jpegs.length - 1];
    await until(
      () => received.includes(last),
      PATIENCE,
      () => `${received.length} bytes`,
    );
    const parts = received.toString('latin1').split('Content-Type: image/jpeg').length - 1;
    assert.ok(parts < jpegs.length / 2, `the slow viewer got ${parts} pictures`);
    slow.destroy();
    await quick.return(undefined);
  });

  it('survives viewers that come and go, and ask for headers only, while pictures arrive', async () => {
    await sink.start();
    const jpeg = await noise(300, 1);
    const timer = setInterval(() => sink.show(jpeg), 1);
    for (let round = 0; round < 30; round++) {
      await fetch(`${sink.address}/live.mjpg`, { method: 'HEAD' });
      const viewer = readMjpeg(`${sink.address}/live.mjpg`);
      assert.deepEqual((await viewer.next()).value?.jpeg, jpeg);
      await viewer.return();
    }
    clearInterval(timer);
  });

  it('counts viewers and frames in its status', async () => {
    await sink.start();
    const states = calls('sink', 'status');
    const viewers = [readMjpeg(`${sink.address}/live.mjpg`), readMjpeg(`${sink.address}/live.mjpg`)];
    const jpeg = await coloured('#f00').jpeg().toBuffer();
    const timer = setInterval(() => sink.show(jpeg), 50);
    await Promise.all(viewers.map((viewer) => viewer.next()));
    await until(
      () => states.some((state) => /^status\.viewers · (1\d|2[0-2]) fps$/.test((state as { text: string }).text)),
      PATIENCE,
      () => JSON.stringify(states),
    );
    clearInterval(timer);
    for (const viewer of viewers) await viewer.return(undefined);
  });
});

/** A JPEG of noise, about 0.7 MB at 1200 × 1200 pixels. */
function noise(size: number, seed: number): Promise<Buffer> {
  const data = Buffer.alloc(size * size);
  let state = seed + 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
  return sharp(data, { raw: { width: size, height: size, channels: 1 } })
    .jpeg({ quality: 60 })
    .toBuffer();
}
