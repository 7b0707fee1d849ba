import assert from 'node:assert/strict';
import { createServer, get, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Express, RequestHandler } from 'express';
import type { NodeAPI, NodeMessage } from 'node-red';
import sharp from 'sharp';
import sink from '../../nodes/sink';
import { PATIENCE, calls, helper, startFlow, until, type FlowNode } from '../lib/flow';
import { readMjpeg } from '../lib/mjpeg';
import { eventually } from '../lib/until';

const FLOW: FlowNode[] = [
  { id: 'sink', type: 'streamdiffusion-sink', name: 'live', wires: [['out']] },
  { id: 'out', type: 'helper' },
];

describe('sink', () => {
  let server: Server;
  let address: string;
  let app: Express;

  /** Starts the flow and puts Node-RED's app for its nodes on a port. */
  async function start(flow = FLOW, settings: object = {}): Promise<void> {
    helper.settings(settings);
    await startFlow(
      [
        (RED: NodeAPI) => {
          app = RED.httpNode;
        },
        sink,
      ],
      flow,
    );
    server = createServer((req, res) => app(req, res));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/streamdiffusion`;
  }

  afterEach(async () => {
    await helper.unload();
    server.closeAllConnections();
    server.close();
  });

  const show = (payload: unknown, more: object = {}): void => helper.getNode('sink').receive({ payload, ...more });

  it('passes the message on as it is', async () => {
    await start();
    const payload = await picture('#f00').jpeg().toBuffer();
    const arrived: NodeMessage[] = [];
    helper.getNode('out').on('input', (msg) => arrived.push(msg));
    const frame = { id: 7 };
    show(payload, { topic: 'a', frame });
    await until(() => arrived.length === 1);
    assert.equal(arrived[0].payload, payload);
    assert.deepEqual([arrived[0].topic, arrived[0].frame], ['a', frame]);
  });

  it('serves the newest picture, and says so while there is none', async () => {
    await start();
    const early = await fetch(`${address}/live.jpg`);
    assert.equal(early.status, 503);
    assert.ok(Number(early.headers.get('retry-after')) > 0);
    assert.match(await early.text(), /not received a picture/);

    const jpegs = await Promise.all(['#f00', '#00f'].map((colour) => picture(colour).jpeg().toBuffer()));
    const shown = performance.now();
    for (const jpeg of jpegs) show(jpeg);
    const response = await fetch(`${address}/live.jpg`);
    assert.deepEqual(
      [response.status, response.headers.get('content-type'), response.headers.get('cache-control')],
      [200, 'image/jpeg', 'no-store'],
    );
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), jpegs[1]);

    const age = Number(response.headers.get('age') ?? NaN);
    assert.ok(age >= 0 && age <= (performance.now() - shown) / 1000, `how old it is, in seconds: ${age}`);
    const head = await fetch(`${address}/live.jpg`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(jpegs[1].length)]);

    show(undefined, { reset: true });
    assert.equal((await fetch(`${address}/live.jpg`)).status, 503, 'reset forgets it');
  });

  it('streams every picture to every viewer, the newest one first', async () => {
    await start();
    const jpegs = await Promise.all(['#f00', '#0f0', '#00f'].map((colour) => picture(colour).jpeg().toBuffer()));
    show(jpegs[0]);
    const viewers = [readMjpeg(`${address}/live.mjpg`), readMjpeg(`${address}/live.mjpg`)];
    for (const expected of jpegs) {
      if (expected !== jpegs[0]) show(expected);
      for (const viewer of viewers) {
        const part = await viewer.next();
        assert.deepEqual(part.value?.jpeg, expected);
        assert.match(part.value?.head ?? '', new RegExp(`Content-Type: image/jpeg\\r\\nContent-Length: ${expected.length}$`));
      }
    }
    for (const viewer of viewers) await viewer.return(undefined);
  });

  it('has the headers that keep browsers and proxies from holding pictures back', async () => {
    await start();
    const response = await fetch(`${address}/live.mjpg`, { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^multipart\/x-mixed-replace; ?boundary=frame$/);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('x-accel-buffering'), 'no');
  });

  it('a viewer that does not read gets the newest picture when it reads again; the others get all of them', async () => {
    await start();
    // Noise does not compress: each picture is larger than what a connection takes at once.
    const jpegs = await Promise.all(Array.from({ length: 40 }, (_, i) => noise(1200, i)));
    const connections: Socket[] = [];
    server.on('connection', (socket) => connections.push(socket));
    const slow = connect((server.address() as AddressInfo).port, '127.0.0.1');
    slow.pause();
    slow.write('GET /streamdiffusion/live.mjpg HTTP/1.1\r\nHost: x\r\n\r\n');
    const quick = readMjpeg(`${address}/live.mjpg`);
    await new Promise((resolve) => setTimeout(resolve, 100));

    for (const jpeg of jpegs) {
      show(jpeg);
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

  it('turns raw and PNG pictures into JPEG, only when somebody wants them', async () => {
    await start();
    const raw = { data: Buffer.alloc(20 * 10 * 3, 255), width: 20, height: 10, channels: 3 };
    show(raw);
    const jpeg = Buffer.from(await (await fetch(`${address}/live.jpg`)).arrayBuffer());
    const { format, width, height } = await sharp(jpeg).metadata();
    assert.deepEqual([format, width, height], ['jpeg', 20, 10]);
    const viewer = readMjpeg(`${address}/live.mjpg`);
    await viewer.next();
    show(await picture('#0f0').png().toBuffer());
    const part = await viewer.next();
    assert.equal((await sharp(part.value?.jpeg).metadata()).format, 'jpeg');
    await viewer.return(undefined);
  });

  it('serves the pictures that were sent, whatever their sender does with the same bytes meanwhile', async () => {
    await start();
    const sent = await picture('#f00').jpeg().toBuffer();
    const bytes = Buffer.from(sent);
    show(bytes);
    await new Promise(setImmediate);
    bytes.fill(0, 100);
    assert.deepEqual(Buffer.from(await (await fetch(`${address}/live.jpg`)).arrayBuffer()), sent);
    const pixels = Buffer.alloc(8 * 8 * 3, 250);
    show({ data: pixels, width: 8, height: 8 });
    await new Promise(setImmediate);
    pixels.fill(0);
    const { channels } = await sharp(Buffer.from(await (await fetch(`${address}/live.jpg`)).arrayBuffer())).stats();
    assert.ok(channels.every(({ mean }) => mean > 240));
  });

  it('shows the colours of BGR pixels as they are', async () => {
    await start();
    show({ data: Buffer.from(Array.from({ length: 64 }, () => [250, 0, 0]).flat()), width: 8, height: 8, colorSpace: 'BGR' });
    const [red, , blue] = (await sharp(Buffer.from(await (await fetch(`${address}/live.jpg`)).arrayBuffer())).stats()).channels;
    assert.ok(red.mean < 10 && blue.mean > 240);
  });

  it('reports what is not a picture on the message, and goes on', async () => {
    await start([
      { id: 'tab', type: 'tab' },
      ...[...FLOW, { id: 'catcher', type: 'catch', scope: null, wires: [['caught']] }, { id: 'caught', type: 'helper' }].map((node) => ({
        ...node,
        z: 'tab',
      })),
    ]);
    const caught: NodeMessage[] = [];
    helper.getNode('caught').on('input', (msg) => caught.push(msg));
    show(Buffer.from('no picture at all'));
    show(12);
    await until(() => caught.length === 2);
    for (const msg of caught) assert.equal((msg.error as { code: string }).code, 'EBADFRAME');
    show(await picture('#f00').jpeg().toBuffer());
    assert.equal((await fetch(`${address}/live.jpg`)).status, 200);
  });

  it('shows a live page that needs nothing from elsewhere', async () => {
    await start();
    const response = await fetch(`${address}/live`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /text\/html/);
    const page = await response.text();
    assert.match(page, /live\.mjpg/);
    assert.doesNotMatch(page, /https?:\/\/|\{\{/);
  });

  it('survives viewers that come and go, and ask for headers only, while pictures arrive', async () => {
    await start();
    const jpeg = await noise(300, 1);
    const timer = setInterval(() => show(jpeg), 1);
    for (let round = 0; round < 30; round++) {
      await fetch(`${address}/live.mjpg`, { method: 'HEAD' });
      const viewer = readMjpeg(`${address}/live.mjpg`);
      assert.deepEqual((await viewer.next()).value?.jpeg, jpeg);
      await viewer.return();
    }
    clearInterval(timer);
  });

  it('knows no other names', async () => {
    await start();
    for (const path of ['other', 'other.mjpg', 'live.png', 'live.mjpg.jpg', 'LIVE', '%2e%2e', '__proto__']) {
      assert.equal((await fetch(`${address}/${path}`)).status, 404, path);
    }
  });

  it('refuses a name that is taken or cannot stand in an address, and leaves the first one alone', async () => {
    const names = ['live', 'Live', 'a/b', '', '__proto__'.repeat(10)];
    await start([...FLOW, ...names.map((name, i) => ({ id: `other${i}`, type: 'streamdiffusion-sink', name }))]);
    for (const i of names.keys()) {
      const node = helper.getNode(`other${i}`) as unknown as { error: { args: unknown[][] }; status: { args: unknown[][] } };
      const errors = (node.error.args as unknown[][]).map(([error]) => error as { code?: string; message?: string });
      assert.ok(
        errors.some((error) => error.code === 'EBADPARAM' && error.message?.includes(`"${names[i]}"`)),
        `${names[i]}: ${JSON.stringify(errors)}`,
      );
    }
    const jpeg = await picture('#f00').jpeg().toBuffer();
    show(jpeg);
    helper.getNode('other0').receive({ payload: await picture('#00f').jpeg().toBuffer() });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(Buffer.from(await (await fetch(`${address}/live.jpg`)).arrayBuffer()), jpeg);
  });

  it('gets the name that another sink had as soon as that one lets go of it, and not while that one is deployed again', async () => {
    const flow = (name: string, fit = 'contain'): FlowNode[] => [
      ...FLOW.map((node) => (node.id === 'sink' ? { ...node, name, fit } : node)),
      { id: 'other', type: 'streamdiffusion-sink', name: 'live' },
    ];
    await start(flow('live'));
    const [first, second] = await Promise.all(['#f00', '#00f'].map((colour) => picture(colour).jpeg().toBuffer()));
    const served = async (): Promise<Buffer> => Buffer.from(await (await fetch(`${address}/live.jpg`)).arrayBuffer());
    const showBoth = (): void => {
      show(first);
      helper.getNode('other').receive({ payload: second });
    };
    await helper.setFlows(flow('live', 'cover'), 'nodes');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    showBoth();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(await served(), first);
    await helper.setFlows(flow('stage', 'cover'), 'nodes');
    showBoth();
    await eventually(async () => (await served()).equals(second));
  });

  it('ends its streams when it goes, and its name is free again', async () => {
    await start();
    const viewer = readMjpeg(`${address}/live.mjpg`);
    show(await picture('#f00').jpeg().toBuffer());
    await viewer.next();
    const renamed = FLOW.map((node) => (node.id === 'sink' ? { ...node, name: 'stage' } : node));
    await helper.setFlows(renamed, 'nodes');
    assert.equal((await viewer.next()).done, true);
    assert.equal((await fetch(`${address}/live.jpg`)).status, 404);
    assert.equal((await fetch(`${address}/stage.jpg`)).status, 503);
    await helper.setFlows(FLOW, 'nodes');
    assert.equal((await fetch(`${address}/live.jpg`)).status, 503);
  });

  it('counts viewers and frames in its status', async () => {
    await start();
    const states = calls('sink', 'status');
    const viewers = [readMjpeg(`${address}/live.mjpg`), readMjpeg(`${address}/live.mjpg`)];
    const jpeg = await picture('#f00').jpeg().toBuffer();
    const timer = setInterval(() => show(jpeg), 50);
    await Promise.all(viewers.map((viewer) => viewer.next()));
    await until(
      () => states.some((state) => /^status\.viewers · (1\d|2[0-2]) fps$/.test((state as { text: string }).text)),
      PATIENCE,
      () => JSON.stringify(states),
    );
    clearInterval(timer);
    for (const viewer of viewers) await viewer.return(undefined);
  });

  it('honours middleware and CORS settings of Node-RED', async () => {
    const guard: RequestHandler = (request, response, next) =>
      request.headers['x-key'] === 'open' ? next() : void response.status(403).end();
    await start(FLOW, { httpNodeMiddleware: guard, httpNodeCors: { origin: ['http://a.example', /\.b\.example$/] } });
    assert.equal((await fetch(`${address}/live`)).status, 403);
    const allowed = async (origin: string): Promise<string | undefined> => {
      const response = await new Promise<IncomingMessage>((resolve) =>
        get(`${address}/live`, { headers: { 'x-key': 'open', origin } }, resolve),
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
    await start(FLOW, { httpNodeRoot: false });
    const warnings = (helper.getNode('sink') as unknown as { warn: { args: unknown[][] } }).warn.args;
    assert.ok(warnings.some(([warning]) => warning === 'warn.noHttp'));
    const arrived: NodeMessage[] = [];
    helper.getNode('out').on('input', (msg) => arrived.push(msg));
    show(await picture('#f00').jpeg().toBuffer());
    await until(() => arrived.length === 1);
  });

  it('answers only GET and HEAD', async () => {
    await start();
    const status = await new Promise((resolve) =>
      httpRequest(`${address}/live.jpg`, { method: 'POST' }, (response) => resolve(response.statusCode)).end(),
    );
    assert.equal(status, 404);
  });
});

const picture = (background: string): sharp.Sharp => sharp({ create: { width: 64, height: 48, channels: 3, background } });

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
