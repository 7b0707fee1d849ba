import assert from 'node:assert/strict';
import sharp from 'sharp';
import { FLOW, setCameraFlow } from '../lib/camera-flow';
import { PATIENCE, calls, helper, until, type FlowNode } from '../lib/flow';
import { strain } from '../lib/strain';
import type { Guard, Visitor } from '../lib/web-flow';

interface Frame {
  id: number;
  width: number;
  height: number;
  timestamp: number;
  source: string;
}

describe('camera page of a source', () => {
  const camera = setCameraFlow();

  it('says what the flow wants, and sends each picture into it with what is known of it', async () => {
    await camera.start();
    const entered = Date.now();
    const visitor = await camera.enter();
    await until(() => visitor.heard.length === 1);
    const { now, ...format } = visitor.heard[0] as { now: number };
    assert.deepEqual(format, { width: 320, height: 240, fps: 50, running: true });
    assert.ok(entered <= now && now <= Date.now());

    const timestamp = Date.now() - 123.25;
    visitor.send(JSON.stringify({ timestamp }));
    visitor.send(camera.jpeg);
    await until(() => camera.arrived.length === 1 && visitor.heard.length === 2);
    const [msg] = camera.arrived;
    assert.deepEqual([msg.payload, msg.contentType, msg.topic], [camera.jpeg, 'image/jpeg', 'guests']);
    assert.deepEqual(msg.frame, { id: 1, width: 64, height: 48, timestamp, source: 'browser' });
    assert.equal((visitor.heard[1] as { got: number }).got, timestamp, 'the answer says which picture went into the flow');
  });

  it('takes a plain JPEG from a program, and does not believe a clock that is far off', async () => {
    await camera.start();
    const visitor = await camera.enter();
    visitor.send(camera.jpeg);
    await until(() => visitor.heard.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 30));
    visitor.send(JSON.stringify({ timestamp: 12 }));
    visitor.send(camera.jpeg);
    await until(() => camera.arrived.length === 2);
    for (const msg of camera.arrived) assert.ok(Math.abs((msg.frame as Frame).timestamp - Date.now()) < 10_000);
  });

  it('lets no more into the flow than it wants, whatever is sent', async () => {
    await camera.start(FLOW.map((node) => (node.id === 'source' ? { ...node, fps: '10' } : node)));
    const visitor = await camera.enter();
    const began = performance.now();
    for (let k = 0; k < 200; k++) {
      visitor.send(camera.jpeg);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await until(() => visitor.heard.length === 201);
    const seconds = (performance.now() - began) / 1000;
    const told = `${camera.arrived.length} of 200 pictures in ${seconds} s`;
    assert.ok(camera.arrived.length >= 3 && camera.arrived.length <= 10 * seconds + 3, told);
  });

  it('shows its page, with the sink that fits best beside the camera', async () => {
    const sinkOf = (name: string): FlowNode => ({ id: `sink-${name}`, type: 'streamdiffusion-sink', name, wires: [[]] });
    for (const [sinks, chosen, expected] of [
      [[], '', ''],
      [['wall'], '', 'wall'],
      [['wall', 'stage'], '', 'stage'],
      [['stage', 'wall'], 'wall', 'wall'],
    ] as const) {
      await camera.start([...FLOW.map((node) => (node.id === 'source' ? { ...node, result: chosen } : node)), ...sinks.map(sinkOf)]);
      const response = await fetch(`${camera.web.address}/stage/camera`);
      assert.equal(response.status, 200);
      const page = await response.text();
      assert.ok(page.includes(`const RESULT = '${expected}';`), `${sinks}, ${chosen}`);
      assert.doesNotMatch(page, /\{\{|https?:\/\/(?!www\.w3\.org)/, 'it needs nothing from elsewhere');
      await camera.web.stop();
    }
    await camera.start();
  });

  it('gives the place to the newest visitor', async () => {
    await camera.start();
    const [first, second] = [await camera.enter(), await camera.enter()];
    assert.equal(await first.closed, 4001);
    second.send(camera.jpeg);
    await until(() => camera.arrived.length === 1);
  });

  it('tells its visitor when the source stops and starts, and waits without a fault when nobody is there', async () => {
    await camera.start();
    const states = calls('source', 'status');
    const visitor = await camera.enter();
    const isRunning = (): boolean | undefined => (visitor.heard.at(-1) as { running?: boolean } | undefined)?.running;
    await until(() => isRunning() === true);
    helper.getNode('source').receive({ payload: 'stop' });
    await until(() => isRunning() === false);
    visitor.send(camera.jpeg);
    await until(() => 'got' in (visitor.heard.at(-1) as object));
    assert.equal(camera.arrived.length, 0);
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => isRunning() === true);
    visitor.send(camera.jpeg);
    await until(() => camera.arrived.length === 1);
    visitor.close();
    await until(
      () => (states.at(-1) as { text: string } | undefined)?.text === 'status.waiting-visitor',
      PATIENCE,
      () => JSON.stringify(states),
    );
  });

  it('takes a JPEG with everything that is legal in its header, and tells its size as it is looked at', async () => {
    await camera.start();
    const visitor = await camera.enter();
    const portrait = await sharp(camera.jpeg).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const filled = Buffer.concat([camera.jpeg.subarray(0, 2), Buffer.from([0xff, 0xff]), camera.jpeg.subarray(2)]);
    await until(() => visitor.heard.length === 1);
    for (const [picture, width, height] of [
      [filled, 64, 48],
      [portrait, 48, 64],
    ] as const) {
      camera.arrived.length = 0;
      // What comes too soon is answered, and left out.
      while (camera.arrived.length === 0) {
        const answers = visitor.heard.length;
        visitor.send(picture);
        await until(() => visitor.heard.length > answers);
      }
      const frame = camera.arrived[0].frame as Frame;
      assert.deepEqual([frame.width, frame.height], [width, height]);
    }
  });

  it('sends away what is not a JPEG, or too much of it, and takes the next visitor', async () => {
    await camera.start();
    for (const [what, code] of [
      [Buffer.from('GIF89a'), 1003],
      [Buffer.from([0xff, 0xd8, 0xff]), 1003],
      [Buffer.alloc(9e6), 1009],
    ] as const) {
      const visitor = await camera.enter();
      visitor.send(what);
      assert.equal(await visitor.closed, code);
    }
    const visitor = await camera.enter();
    for (const text of ['', '{', 'null', '[]', '{"timestamp":{}}']) visitor.send(text);
    visitor.send(camera.jpeg);
    await until(() => camera.arrived.length === 1);
  });

  it("stands behind Node-RED's login, as every other address", async () => {
    const guard: Guard = (request, response, next) => {
      if (request.headers.authorization === 'Basic bWU6c2VjcmV0') next();
      else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end();
    };
    await camera.start([...FLOW, { id: 'sink', type: 'streamdiffusion-sink', name: 'stage' }], { guard });
    const login = { authorization: 'Basic bWU6c2VjcmV0' };
    for (const path of ['stage/camera', 'stage', 'nobody']) assert.equal(await camera.web.socket(path), 401, path);
    assert.equal(await camera.web.socket('nobody/camera', login), 404);
    assert.equal(await camera.web.socket('nobody', login), 404);
    (await camera.enter('stage', login)).close();
    const visitor = await camera.enter('stage/camera', login);
    visitor.send(camera.jpeg);
    await until(() => camera.arrived.length === 1);
  });

  it('honours middleware, and refuses pages from elsewhere unless CORS settings allow them', async () => {
    const httpNodeMiddleware = (
      request: { headers: Record<string, string> },
      response: { sendStatus(code: number): void },
      next: () => void,
    ): void => (request.headers['x-key'] === 'open' ? next() : response.sendStatus(418));
    await camera.start(FLOW, { settings: { httpNodeMiddleware, httpNodeCors: { origin: ['https://friend.example'] } } });
    const own = new URL(camera.web.address);
    const from = (origin: string, more = {}): Promise<Visitor | number> =>
      camera.web.socket('stage/camera', { 'x-key': 'open', origin, ...more });
    assert.equal(await camera.web.socket('stage/camera'), 418);
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1']) assert.equal(await from(origin), 403, origin);
    for (const origin of [own.origin, 'https://friend.example']) {
      const socket = await from(origin);
      assert.ok(typeof socket === 'object', origin);
      socket.close();
    }
    const behindProxy = await from('https://art.example', { 'x-forwarded-host': 'art.example' });
    assert.ok(typeof behindProxy === 'object');
    behindProxy.close();
  });

  it('lets a visitor whose place was taken send nothing more, and ends it in a second, whether it says goodbye or not', async () => {
    await camera.start(FLOW);
    const first = await camera.enter('stage/camera');
    first.on('error', () => undefined);
    // It takes no notice of being asked to leave.
    first.pause();
    await camera.enter('stage/camera');
    const began = performance.now();
    const flood = setInterval(() => first.bufferedAmount < 50e6 && first.send(Buffer.alloc(1_000_000), () => undefined), 5);
    await until(() => first.bufferedAmount > 10e6, PATIENCE);
    await first.closed;
    clearInterval(flood);
    assert.ok(performance.now() - began < 15_000 * strain(), 'not after half a minute');
  });
});
