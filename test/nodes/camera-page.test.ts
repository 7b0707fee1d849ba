import assert from 'node:assert/strict';
import { strain } from '../lib/strain';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import sink from '../../nodes/sink';
import source from '../../nodes/source';
import { PATIENCE, calls, helper, until, type FlowNode } from '../lib/flow';
import { eventually } from '../lib/until';
import { WebFlow, type Guard, type Visitor } from '../lib/web-flow';

const FLOW: FlowNode[] = [
  {
    id: 'source',
    type: 'streamdiffusion-source',
    kind: 'browser',
    name: 'stage',
    width: '320',
    height: '240',
    fps: '50',
    topic: 'guests',
    wires: [['out']],
  },
  { id: 'out', type: 'helper' },
];

interface Frame {
  id: number;
  width: number;
  height: number;
  timestamp: number;
  source: string;
}

describe('camera page of a source', () => {
  let web: WebFlow;
  let jpeg: Buffer;
  const arrived: NodeMessage[] = [];

  before(
    async () =>
      (jpeg = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#0f0' } })
        .jpeg()
        .toBuffer()),
  );
  afterEach(async () => web.stop());

  async function start(flow = FLOW, options: { settings?: object; guard?: Guard } = {}): Promise<void> {
    web = await WebFlow.start([source, sink], flow, options);
    arrived.length = 0;
    helper.getNode('out')?.on('input', (msg) => arrived.push(msg));
  }

  const enter = (path = 'stage/camera', headers = {}): Promise<Visitor> => web.enter(path, headers);

  it('says what the flow wants, and sends each picture into it with what is known of it', async () => {
    await start();
    const entered = Date.now();
    const visitor = await enter();
    await until(() => visitor.heard.length === 1);
    const { now, ...format } = visitor.heard[0] as { now: number };
    assert.deepEqual(format, { width: 320, height: 240, fps: 50, running: true });
    assert.ok(entered <= now && now <= Date.now());

    const timestamp = Date.now() - 123.25;
    visitor.send(JSON.stringify({ timestamp }));
    visitor.send(jpeg);
    await until(() => arrived.length === 1 && visitor.heard.length === 2);
    const [msg] = arrived;
    assert.deepEqual([msg.payload, msg.contentType, msg.topic], [jpeg, 'image/jpeg', 'guests']);
    assert.deepEqual(msg.frame, { id: 1, width: 64, height: 48, timestamp, source: 'browser' });
    assert.equal((visitor.heard[1] as { got: number }).got, timestamp, 'the answer says which picture went into the flow');
  });

  it('takes a plain JPEG from a program, and does not believe a clock that is far off', async () => {
    await start();
    const visitor = await enter();
    visitor.send(jpeg);
    await until(() => visitor.heard.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 30));
    visitor.send(JSON.stringify({ timestamp: 12 }));
    visitor.send(jpeg);
    await until(() => arrived.length === 2);
    for (const msg of arrived) assert.ok(Math.abs((msg.frame as Frame).timestamp - Date.now()) < 10_000);
  });

  it('lets no more into the flow than it wants, whatever is sent', async () => {
    await start(FLOW.map((node) => (node.id === 'source' ? { ...node, fps: '10' } : node)));
    const visitor = await enter();
    const began = performance.now();
    for (let k = 0; k < 200; k++) {
      visitor.send(jpeg);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await until(() => visitor.heard.length === 201);
    const seconds = (performance.now() - began) / 1000;
    const told = `${arrived.length} of 200 pictures in ${seconds} s`;
    assert.ok(arrived.length >= 3 && arrived.length <= 10 * seconds + 3, told);
  });

  it('shows its page, with the sink that fits best beside the camera', async () => {
    const sinkOf = (name: string): FlowNode => ({ id: `sink-${name}`, type: 'streamdiffusion-sink', name, wires: [[]] });
    for (const [sinks, chosen, expected] of [
      [[], '', ''],
      [['wall'], '', 'wall'],
      [['wall', 'stage'], '', 'stage'],
      [['stage', 'wall'], 'wall', 'wall'],
    ] as const) {
      await start([...FLOW.map((node) => (node.id === 'source' ? { ...node, result: chosen } : node)), ...sinks.map(sinkOf)]);
      const response = await fetch(`${web.address}/stage/camera`);
      assert.equal(response.status, 200);
      const page = await response.text();
      assert.ok(page.includes(`const RESULT = '${expected}';`), `${sinks}, ${chosen}`);
      assert.doesNotMatch(page, /\{\{|https?:\/\/(?!www\.w3\.org)/, 'it needs nothing from elsewhere');
      await web.stop();
    }
    await start();
  });

  it('gives the place to the newest visitor', async () => {
    await start();
    const [first, second] = [await enter(), await enter()];
    assert.equal(await first.closed, 4001);
    second.send(jpeg);
    await until(() => arrived.length === 1);
  });

  it('tells its visitor when the source stops and starts, and waits without a fault when nobody is there', async () => {
    await start();
    const states = calls('source', 'status');
    const visitor = await enter();
    const isRunning = (): boolean | undefined => (visitor.heard.at(-1) as { running?: boolean } | undefined)?.running;
    await until(() => isRunning() === true);
    helper.getNode('source').receive({ payload: 'stop' });
    await until(() => isRunning() === false);
    visitor.send(jpeg);
    await until(() => 'got' in (visitor.heard.at(-1) as object));
    assert.equal(arrived.length, 0);
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => isRunning() === true);
    visitor.send(jpeg);
    await until(() => arrived.length === 1);
    visitor.close();
    await until(
      () => (states.at(-1) as { text: string } | undefined)?.text === 'status.waiting-visitor',
      PATIENCE,
      () => JSON.stringify(states),
    );
  });

  it('takes a JPEG with everything that is legal in its header, and tells its size as it is looked at', async () => {
    await start();
    const visitor = await enter();
    const portrait = await sharp(jpeg).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const filled = Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xff]), jpeg.subarray(2)]);
    await until(() => visitor.heard.length === 1);
    for (const [picture, width, height] of [
      [filled, 64, 48],
      [portrait, 48, 64],
    ] as const) {
      arrived.length = 0;
      // What comes too soon is answered, and left out.
      while (arrived.length === 0) {
        const answers = visitor.heard.length;
        visitor.send(picture);
        await until(() => visitor.heard.length > answers);
      }
      const frame = arrived[0].frame as Frame;
      assert.deepEqual([frame.width, frame.height], [width, height]);
    }
  });

  it('sends away what is not a JPEG, or too much of it, and takes the next visitor', async () => {
    await start();
    for (const [what, code] of [
      [Buffer.from('GIF89a'), 1003],
      [Buffer.from([0xff, 0xd8, 0xff]), 1003],
      [Buffer.alloc(9e6), 1009],
    ] as const) {
      const visitor = await enter();
      visitor.send(what);
      assert.equal(await visitor.closed, code);
    }
    const visitor = await enter();
    for (const text of ['', '{', 'null', '[]', '{"timestamp":{}}']) visitor.send(text);
    visitor.send(jpeg);
    await until(() => arrived.length === 1);
  });

  it("stands behind Node-RED's login, as every other address", async () => {
    const guard: Guard = (request, response, next) => {
      if (request.headers.authorization === 'Basic bWU6c2VjcmV0') next();
      else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end();
    };
    await start([...FLOW, { id: 'sink', type: 'streamdiffusion-sink', name: 'stage' }], { guard });
    const login = { authorization: 'Basic bWU6c2VjcmV0' };
    for (const path of ['stage/camera', 'stage', 'nobody']) assert.equal(await web.socket(path), 401, path);
    assert.equal(await web.socket('nobody/camera', login), 404);
    assert.equal(await web.socket('nobody', login), 404);
    (await enter('stage', login)).close();
    const visitor = await enter('stage/camera', login);
    visitor.send(jpeg);
    await until(() => arrived.length === 1);
  });

  it('honours middleware, and refuses pages from elsewhere unless CORS settings allow them', async () => {
    const httpNodeMiddleware = (
      request: { headers: Record<string, string> },
      response: { sendStatus(code: number): void },
      next: () => void,
    ): void => (request.headers['x-key'] === 'open' ? next() : response.sendStatus(418));
    await start(FLOW, { settings: { httpNodeMiddleware, httpNodeCors: { origin: ['https://friend.example'] } } });
    const own = new URL(web.address);
    const from = (origin: string, more = {}): Promise<Visitor | number> => web.socket('stage/camera', { 'x-key': 'open', origin, ...more });
    assert.equal(await web.socket('stage/camera'), 418);
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
    await start(FLOW);
    const first = await enter('stage/camera');
    first.on('error', () => undefined);
    // It takes no notice of being asked to leave.
    first.pause();
    await enter('stage/camera');
    const began = performance.now();
    const flood = setInterval(() => first.bufferedAmount < 50e6 && first.send(Buffer.alloc(1_000_000), () => undefined), 5);
    await until(() => first.bufferedAmount > 10e6, PATIENCE);
    await first.closed;
    clearInterval(flood);
    assert.ok(performance.now() - began < 15_000 * strain(), 'not after half a minute');
  });

  it('refuses a name that is taken or cannot stand in an address', async () => {
    await start([
      FLOW[0],
      { ...FLOW[0], id: 'second' },
      { ...FLOW[0], id: 'third', name: 'My Camera' },
      { ...FLOW[0], id: 'fourth', name: 'health' },
    ]);
    for (const [id, sentence] of [
      ['second', /another camera page is called "stage"/],
      ['third', /not "My Camera"/],
      ['fourth', /"health" is an address of its own/],
    ] as const) {
      const { args } = (helper.getNode(id) as unknown as { error: { args: Error[][] } }).error;
      assert.ok(
        args.some(([error]) => sentence.test(String(error))),
        `${id}: ${args}`,
      );
    }
  });

  it('gets the name that another one had as soon as that one lets go of it, and not while that one is deployed again', async () => {
    const flow = (name: string, width = '320'): FlowNode[] => [
      ...FLOW.map((node) => (node.id === 'source' ? { ...node, name, width } : node)),
      { ...FLOW[0], id: 'other', width: '640', wires: [['out']] },
    ];
    await start(flow('stage'));
    const other = helper.getNode('other');
    const wants = async (): Promise<number> => {
      const visitor = await enter();
      await until(() => visitor.heard.length > 0);
      visitor.close();
      return (visitor.heard[0] as { width: number }).width;
    };
    const errors = calls('other', 'error');
    other.receive({ payload: 'start' });
    await until(() => errors.length === 2);
    await helper.setFlows(flow('stage', '480'), 'nodes');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(await wants(), 480);

    await helper.setFlows(flow('hall', '480'), 'nodes');
    const isServed = async (): Promise<boolean> => {
      const socket = await web.socket('stage/camera');
      if (typeof socket !== 'number') socket.close();
      return typeof socket !== 'number';
    };
    await eventually(isServed);
    assert.equal(await wants(), 640);
    const visitor = await enter();
    await until(() => visitor.heard.length > 0);
    arrived.length = 0;
    visitor.send(jpeg);
    await until(() => arrived.length === 1);
    other.receive({ payload: 'stop' });
    await until(() => (visitor.heard.at(-1) as { running?: boolean }).running === false);
    assert.equal(errors.length, 2, 'one when it was deployed, one for the first message');
  });

  it('ends with its node, and its name is free again', async () => {
    await start();
    const visitor = await enter();
    const renamed = FLOW.map((node) => (node.id === 'source' ? { ...node, name: 'hall' } : node));
    await helper.setFlows(renamed, 'nodes');
    assert.equal(await visitor.closed, 1001);
    assert.equal(await web.socket('stage/camera'), 404);
    (await enter('hall/camera')).close();
  });
});
