import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { PAPER } from '../../nodes/lib/source/drawing/svg';
import source from '../../nodes/source';
import { helper, PATIENCE, until, type FlowNode } from '../lib/flow';
import { WebFlow, type Guard, type Visitor } from '../lib/web-flow';

const SOURCE: FlowNode = {
  id: 'source',
  type: 'streamdiffusion-source',
  name: 'wall',
  kind: 'drawing',
  fps: '50',
  width: '200',
  height: '100',
  wires: [['out']],
};

interface Stroke {
  key: string;
  colour: string;
  mirror: boolean;
  points: number[];
}
interface News {
  you?: number;
  width?: number;
  height?: number;
  strokes?: Stroke[];
  visitors?: number;
  running?: boolean;
  below?: boolean;
  events?: (Partial<Stroke> & { undo?: string; clear?: boolean })[];
}

describe('drawing page of a source', () => {
  let web: WebFlow;
  let newest: NodeMessage | undefined;
  let arrived: number;
  afterEach(async () => web.stop());

  async function start(more: object = {}, options: { guard?: Guard; settings?: object } = {}): Promise<void> {
    web = await WebFlow.start(
      [source],
      [
        { ...SOURCE, ...more },
        { id: 'out', type: 'helper' },
      ],
      options,
    );
    arrived = 0;
    newest = undefined;
    helper.getNode('out').on('input', (msg) => {
      newest = msg;
      arrived++;
    });
  }
  const enter = async (): Promise<Visitor & { you: number }> => {
    const visitor = await web.enter('wall/draw');
    await until(() => visitor.heard.length > 0);
    return Object.assign(visitor, { you: (visitor.heard[0] as News).you! });
  };
  const say = (visitor: Visitor, what: object): void => visitor.send(JSON.stringify(what));
  const eventsOf = ({ heard }: Visitor): NonNullable<News['events']> => heard.flatMap((news) => (news as News).events ?? []);

  /** The colour of the newest frame at a place, 0..255 each. */
  async function colourAt(x: number, y: number): Promise<number[]> {
    const { data, info } = await sharp(newest!.payload as Buffer)
      .raw()
      .toBuffer({ resolveWithObject: true });
    const at = (Math.round(y * (info.height - 1)) * info.width + Math.round(x * (info.width - 1))) * 3;
    return [...data.subarray(at, at + 3)];
  }
  const isNear = (colour: number[], hex: string): boolean =>
    colour.every((value, k) => Math.abs(value - Number.parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16)) < 24);
  async function becomes(x: number, y: number, hex: string): Promise<void> {
    const deadline = performance.now() + PATIENCE;
    for (;;) {
      const colour = newest ? await colourAt(x, y) : [];
      if (newest && isNear(colour, hex)) return;
      assert.ok(performance.now() < deadline, `${x}, ${y} is ${colour}, not ${hex}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
  /** A stroke from the left to the right at a height. */
  const line = (y: number, width = 2000): number[] => [1000, y, width, 5000, y, width, 9000, y, width];

  it('sends the sheet at a steady rate, before anybody has come', async () => {
    await start();
    await until(() => arrived > 10);
    const { width, height } = await sharp(newest!.payload as Buffer).metadata();
    assert.deepEqual([width, height], [200, 100]);
    assert.deepEqual((newest!.frame as { source: string }).source, 'drawing');
    assert.ok(isNear(await colourAt(0.5, 0.5), PAPER));
  });

  it('begins with half a landscape, if it is to, and goes back to it on a reset', async () => {
    await start({ drawing: 'landscape' });
    await becomes(0.3, 0.2, '#ffe27a');
    assert.ok(isNear(await colourAt(0.95, 0.2), PAPER), 'the right half is for somebody to finish');
    const visitor = await enter();
    await until(() => visitor.heard.some((news) => Buffer.isBuffer(news)));
    say(visitor, { begin: 1, colour: '#ff0000', points: line(2000) });
    await becomes(0.3, 0.2, '#ff0000');
    say(visitor, { clear: 2 });
    await becomes(0.3, 0.2, PAPER);
    helper.getNode('source').receive({ reset: true });
    await becomes(0.3, 0.2, '#ffe27a');
    await until(() => (visitor.heard.findLast((news) => (news as News).strokes) as News).strokes?.length === 0);
  });

  it('draws what visitors draw, each in the order in which it came, and tells it to all', async () => {
    await start();
    const [first, second] = [await enter(), await enter()];
    say(first, { begin: 1, colour: '#ff0000', points: line(5000) });
    await becomes(0.5, 0.5, '#ff0000');
    say(second, { begin: 1, colour: '#0000ff', points: line(5000) });
    await becomes(0.5, 0.5, '#0000ff');
    say(first, { stroke: 1, points: [9000, 9000, 2000] });
    await becomes(0.9, 0.9, '#ff0000');
    await until(() => [first, second].every((visitor) => eventsOf(visitor).length === 3));
    assert.deepEqual(eventsOf(first), eventsOf(second));
    assert.deepEqual(
      eventsOf(first).map(({ key }) => key),
      [`${first.you} 1`, `${second.you} 1`, `${first.you} 1`],
    );
    const late = await enter();
    assert.deepEqual(
      (late.heard[0] as News).strokes?.map(({ colour, points }) => [colour, points.length]),
      [
        ['#ff0000', 12],
        ['#0000ff', 9],
      ],
    );
    await until(() => first.heard.some((news) => (news as News).visitors === 3));
  });

  it('mirrors, erases, and lets everybody take back what is their own', async () => {
    await start();
    const [first, second] = [await enter(), await enter()];
    say(first, { begin: 1, colour: '#ff0000', mirror: true, points: [1000, 3000, 2000, 2000, 3000, 2000] });
    await becomes(0.1, 0.3, '#ff0000');
    await becomes(0.9, 0.3, '#ff0000');
    say(second, { begin: 1, colour: null, points: line(3000) });
    await becomes(0.1, 0.3, PAPER);
    say(first, { undo: true });
    say(first, { undo: true });
    say(second, { undo: true });
    await until(() => eventsOf(first).filter(({ undo }) => undo).length === 2);
    await becomes(0.1, 0.3, PAPER);
    say(second, { begin: 2, colour: '#00ff00', points: line(3000) });
    await becomes(0.5, 0.3, '#00ff00');
    say(first, { clear: 3 });
    await becomes(0.5, 0.3, PAPER);
    say(first, { undo: true });
    await becomes(0.5, 0.3, '#00ff00');
  });

  it('takes nothing from a message but strokes within bounds', async () => {
    await start();
    const visitor = await enter();
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '7',
      '{"begin":"x"}',
      '{"stroke":9,"points":[1,2,3]}',
      '{"begin":1,"colour":"url(#x)","points":"x"}',
      '{"begin":2,"colour":"#ff0000\\"/><image href=\\"file:///etc/passwd\\"/>","points":[0,0,100]}',
      '{"begin":3,"colour":"#ff0000","points":[null,"1",{},1e300,-1e300,1e300,1,2]}',
      '{"undo":"yes"}',
      '{"clear":"yes"}',
    ])
      visitor.send(text);
    await until(() => eventsOf(visitor).length === 4);
    const strokes = eventsOf(visitor).filter(({ colour }) => colour);
    assert.deepEqual(
      strokes.map(({ colour, points }) => [colour, points]),
      [
        [PAPER, []],
        [PAPER, [0, 0, 100]],
        ['#ff0000', [0, 0, 10, 20000, -10000, 5000]],
      ],
    );
    const before = arrived;
    await until(() => arrived > before + 3);
    assert.equal(visitor.readyState, visitor.OPEN);
    const fast = await enter();
    for (let k = 0; k < 300; k++) say(fast, { undo: true });
    assert.equal(await fast.closed, 1008);
    const pictures = await enter();
    pictures.send(Buffer.alloc(10));
    assert.equal(await pictures.closed, 1008);
    const large = await enter();
    large.send(JSON.stringify({ begin: 1, points: Array<number>(30_000).fill(5000) }));
    assert.equal(await large.closed, 1009);
  });

  it('has room for 32 visitors, and stands behind the login of the pages', async () => {
    const guard: Guard = (request, response, next) => {
      if (request.headers.authorization === 'Basic bWU6c2VjcmV0') next();
      else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end();
    };
    await start({}, { guard });
    const login = { authorization: 'Basic bWU6c2VjcmV0' };
    assert.equal(await web.socket('wall/draw'), 401);
    assert.equal(await web.socket('wall/camera', login), 404, 'it is not a camera page');
    await Promise.all(Array.from({ length: 32 }, () => web.enter('wall/draw', login)));
    assert.equal(await web.socket('wall/draw', login), 503);
    const response = await fetch(`${web.address}/wall/draw`, { headers: login });
    assert.doesNotMatch(await response.text(), /\{\{|https?:\/\/(?!www\.w3\.org)/, 'the page needs nothing from elsewhere');
  });

  it('sends a visitor away who was not through the door when a deploy closed it, and takes one who comes back', async () => {
    let letIn: (() => void) | undefined;
    const webSocketNodeVerifyClient = (_: object, done: (ok: boolean) => void): void => {
      letIn = () => done(true);
    };
    await start({}, { settings: { webSocketNodeVerifyClient } });
    const early = web.enter('wall/draw');
    await until(() => letIn !== undefined);
    await helper.setFlows(
      [
        { ...SOURCE, fps: '25' },
        { id: 'out', type: 'helper' },
      ],
      'full',
    );
    letIn!();
    assert.equal(await (await early).closed, 1001);
    const late = enter();
    letIn = undefined;
    await until(() => letIn !== undefined);
    letIn!();
    assert.equal((await late).you, 1);
  });

  it('says that the source is stopped, and draws on when it starts again', async () => {
    await start();
    const visitor = await enter();
    say(visitor, { begin: 1, colour: '#ff0000', points: line(5000) });
    await becomes(0.5, 0.5, '#ff0000');
    helper.getNode('source').receive({ payload: 'stop' });
    await until(() => (visitor.heard.findLast((news) => (news as News).running !== undefined) as News).running === false);
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => (visitor.heard.findLast((news) => (news as News).running !== undefined) as News).running === true);
    await becomes(0.5, 0.5, '#ff0000');
  });
});
