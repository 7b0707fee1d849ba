import assert from 'node:assert/strict';
import { get, request as httpRequest, type IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { coloured } from '../lib/colours';
import { helper, until } from '../lib/flow';
import { readMjpeg } from '../lib/mjpeg';
import { FLOW, setSink } from '../lib/sink-flow';

describe('sink', () => {
  const sink = setSink();

  it('passes the message on as it is', async () => {
    await sink.start();
    const payload = await coloured('#f00').jpeg().toBuffer();
    const arrived: NodeMessage[] = [];
    helper.getNode('out').on('input', (msg) => arrived.push(msg));
    const frame = { id: 7 };
    sink.show(payload, { topic: 'a', frame });
    await until(() => arrived.length === 1);
    assert.equal(arrived[0].payload, payload);
    assert.deepEqual([arrived[0].topic, arrived[0].frame], ['a', frame]);
  });

  it('serves the newest picture, and says so while there is none', async () => {
    await sink.start();
    const early = await fetch(`${sink.address}/live.jpg`);
    assert.equal(early.status, 503);
    assert.ok(Number(early.headers.get('retry-after')) > 0);
    assert.match(await early.text(), /not received a picture/);

    const jpegs = await Promise.all(['#f00', '#00f'].map((colour) => coloured(colour).jpeg().toBuffer()));
    const shown = performance.now();
    for (const jpeg of jpegs) sink.show(jpeg);
    const response = await fetch(`${sink.address}/live.jpg`);
    assert.deepEqual(
      [response.status, response.headers.get('content-type'), response.headers.get('cache-control')],
      [200, 'image/jpeg', 'no-store'],
    );
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), jpegs[1]);

    const age = Number(response.headers.get('age') ?? NaN);
    assert.ok(age >= 0 && age <= (performance.now() - shown) / 1000, `how old it is, in seconds: ${age}`);
    const head = await fetch(`${sink.address}/live.jpg`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(jpegs[1].length)]);

    sink.show(undefined, { reset: true });
    assert.equal((await fetch(`${sink.address}/live.jpg`)).status, 503, 'reset forgets it');
  });

  it('turns raw and PNG pictures into JPEG, only when somebody wants them', async () => {
    await sink.start();
    const raw = { data: Buffer.alloc(20 * 10 * 3, 255), width: 20, height: 10, channels: 3 };
    sink.show(raw);
    const jpeg = Buffer.from(await (await fetch(`${sink.address}/live.jpg`)).arrayBuffer());
    const { format, width, height } = await sharp(jpeg).metadata();
    assert.deepEqual([format, width, height], ['jpeg', 20, 10]);
    const viewer = readMjpeg(`${sink.address}/live.mjpg`);
    await viewer.next();
    sink.show(await coloured('#0f0').png().toBuffer());
    const part = await viewer.next();
    assert.equal((await sharp(part.value?.jpeg).metadata()).format, 'jpeg');
    await viewer.return(undefined);
  });

  it('serves the pictures that were sent, whatever their sender does with the same bytes meanwhile', async () => {
    await sink.start();
    const sent = await coloured('#f00').jpeg().toBuffer();
    const bytes = Buffer.from(sent);
    sink.show(bytes);
    await new Promise(setImmediate);
    bytes.fill(0, 100);
    assert.deepEqual(Buffer.from(await (await fetch(`${sink.address}/live.jpg`)).arrayBuffer()), sent);
    const pixels = Buffer.alloc(8 * 8 * 3, 250);
    sink.show({ data: pixels, width: 8, height: 8 });
    await new Promise(setImmediate);
    pixels.fill(0);
    const { channels } = await sharp(Buffer.from(await (await fetch(`${sink.address}/live.jpg`)).arrayBuffer())).stats();
    assert.ok(channels.every(({ mean }) => mean > 240));
  });

  it('shows the colours of BGR pixels as they are', async () => {
    await sink.start();
    sink.show({ data: Buffer.from(Array.from({ length: 64 }, () => [250, 0, 0]).flat()), width: 8, height: 8, colorSpace: 'BGR' });
    const [red, , blue] = (await sharp(Buffer.from(await (await fetch(`${sink.address}/live.jpg`)).arrayBuffer())).stats()).channels;
    assert.ok(red.mean < 10 && blue.mean > 240);
  });

  it('reports what is not a picture on the message, and goes on', async () => {
    await sink.start([
      { id: 'tab', type: 'tab' },
      ...[...FLOW, { id: 'catcher', type: 'catch', scope: null, wires: [['caught']] }, { id: 'caught', type: 'helper' }].map((node) => ({
        ...node,
        z: 'tab',
      })),
    ]);
    const caught: NodeMessage[] = [];
    helper.getNode('caught').on('input', (msg) => caught.push(msg));
    sink.show(Buffer.from('no picture at all'));
    sink.show(12);
    await until(() => caught.length === 2);
    for (const msg of caught) assert.equal((msg.error as { code: string }).code, 'EBADFRAME');
    sink.show(await coloured('#f00').jpeg().toBuffer());
    assert.equal((await fetch(`${sink.address}/live.jpg`)).status, 200);
  });

  it('shows a live page that needs nothing from elsewhere', async () => {
    await sink.start();
    const response = await fetch(`${sink.address}/live`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /text\/html/);
    const page = await response.text();
    assert.match(page, /live\.mjpg/);
    assert.doesNotMatch(page, /https?:\/\/|\{\{/);
  });

  it('honours middleware and CORS settings of Node-RED', async () => {
    const guard: RequestHandler = (request, response, next) =>
      request.headers['x-key'] === 'open' ? next() : void response.status(403).end();
    await sink.start(FLOW, { httpNodeMiddleware: guard, httpNodeCors: { origin: ['http://a.example', /\.b\.example$/] } });
    assert.equal((await fetch(`${sink.address}/live`)).status, 403);
    const allowed = async (origin: string): Promise<string | undefined> => {
      const response = await new Promise<IncomingMessage>((resolve) =>
        get(`${sink.address}/live`, { headers: { 'x-key': 'open', origin } }, resolve),
      );
      response.resume();
      assert.equal(response.statusCode, 200);
      return response.headers['access-control-allow-origin'];
    };
    assert.equal(await allowed('http://a.example'), 'http://a.example');
    assert.equal(await allowed('http://c.b.example'), 'http://c.b.example');
    assert.equal(await allowed('http://evil.example'), undefined);
  });

  it('lets messages pass when Node-RED serves nothing', async () => {
    await sink.start(FLOW, { httpNodeRoot: false });
    const warnings = (helper.getNode('sink') as unknown as { warn: { args: unknown[][] } }).warn.args;
    assert.ok(warnings.some(([warning]) => warning === 'warn.noHttp'));
    const arrived: NodeMessage[] = [];
    helper.getNode('out').on('input', (msg) => arrived.push(msg));
    sink.show(await coloured('#f00').jpeg().toBuffer());
    await until(() => arrived.length === 1);
  });

  it('answers only GET and HEAD', async () => {
    await sink.start();
    const status = await new Promise((resolve) =>
      httpRequest(`${sink.address}/live.jpg`, { method: 'POST' }, (response) => resolve(response.statusCode)).end(),
    );
    assert.equal(status, 404);
  });
});
