import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import sink from '../../nodes/sink';
import { calls, helper, until, type FlowNode } from '../lib/flow';
import { WebFlow, type Visitor } from '../lib/web-flow';

const SINK: FlowNode = { id: 'sink', type: 'streamdiffusion-sink', name: 'stage', wishes: true, wires: [['pictures'], ['wishes']] };

type Wish = NodeMessage & { prompt: string; visitor: string };

describe("page for visitors' prompts", () => {
  let web: WebFlow;
  let wishes: Wish[];
  afterEach(async () => web.stop());

  async function start(more: object = {}): Promise<void> {
    web = await WebFlow.start(
      [sink],
      [
        { ...SINK, ...more },
        { id: 'pictures', type: 'helper' },
        { id: 'wishes', type: 'helper' },
      ],
    );
    wishes = [];
    helper.getNode('wishes').on('input', (msg) => wishes.push(msg as Wish));
  }
  const enter = async (visitor?: string): Promise<Visitor> => {
    const socket = await web.enter('stage/wish');
    if (visitor) socket.send(JSON.stringify({ visitor }));
    return socket;
  };
  const say = (socket: Visitor, what: object): void => socket.send(JSON.stringify(what));

  it('is there where the dialog says so, and stands in the list of pages', async () => {
    await start({ wishes: false });
    assert.equal((await fetch(`${web.address}/stage/wish`)).status, 404);
    await web.stop();
    await start();
    const response = await fetch(`${web.address}/stage/wish`);
    assert.equal(response.status, 200);
    assert.doesNotMatch(await response.text(), /\{\{|https?:\/\/(?!www\.w3\.org)/, 'it needs nothing from elsewhere');
    assert.match(await (await fetch(web.address)).text(), /wish: 'stage'/);
  });

  it('sends wishes into the flow with their visitors, and brings each visitor the answers of the flow', async () => {
    await start();
    const [first, second] = [await enter('visitor_one'), await enter('visitor_two')];
    say(first, { prompt: '  a red\n castle ' });
    await until(() => wishes.length === 1);
    assert.deepEqual([wishes[0].prompt, wishes[0].visitor], ['a red castle', 'visitor_one']);
    await until(() => first.heard.some((news) => JSON.stringify(news) === '{"sent":true}'));
    const node = helper.getNode('sink');
    node.receive({ visitor: 'visitor_one', answer: { place: 3, secret: 1 } });
    node.receive({ visitor: 'visitor_two', answer: 'come tomorrow' });
    await until(() => first.heard.at(-1) !== undefined && 'answer' in (first.heard.at(-1) as object));
    await until(() => second.heard.length > 0);
    assert.deepEqual(first.heard.at(-1), { answer: { place: 3 } });
    assert.deepEqual(second.heard, [{ answer: 'come tomorrow' }]);
    first.close();
    const again = await enter('visitor_one');
    await until(() => again.heard.length > 0);
    assert.deepEqual(again.heard[0], { answer: { place: 3 } }, 'also after a reload');
  });

  it('keeps the order of fifty visitors', async () => {
    await start();
    const visitors = await Promise.all(Array.from({ length: 50 }, (_, k) => enter(`visitor_${k}`)));
    for (const [k, visitor] of visitors.entries()) {
      say(visitor, { prompt: `wish ${k}` });
      await until(() => wishes.length === k + 1);
    }
    assert.deepEqual(
      wishes.map(({ prompt, visitor }) => `${visitor}: ${prompt}`),
      visitors.map((_, k) => `visitor_${k}: wish ${k}`),
    );
  });

  it('lets nobody flood the flow, and takes nothing but short texts of who has said who they are', async () => {
    await start();
    const nameless = await enter();
    say(nameless, { prompt: 'sea' });
    const visitor = await enter('visitor_one');
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '7',
      '{"prompt":7}',
      '{"prompt":""}',
      '{"prompt":"  "}',
      '{"visitor":"../x"}',
      '{"visitor":7}',
    ])
      visitor.send(text);
    for (let k = 0; k < 6; k++) say(visitor, { prompt: `sea ${'x'.repeat(400)}` });
    await until(() => visitor.heard.filter((news) => 'wait' in (news as object)).length === 3);
    assert.deepEqual(
      wishes.map(({ prompt, visitor: who }) => [prompt.length, who]),
      Array(3).fill([200, 'visitor_one']),
    );
    const fast = await enter('visitor_two');
    for (let k = 0; k < 50; k++) say(fast, {});
    assert.equal(await fast.closed, 1008);
    const long = await enter();
    long.send(JSON.stringify({ prompt: 'x'.repeat(2000) }));
    assert.equal(await long.closed, 1009);
  });

  it('says what is wrong with an answer', async () => {
    await start();
    const errors = calls('sink', 'error') as Error[];
    for (const [msg, sentence] of [
      [{ answer: 'x' }, /msg\.answer needs msg\.visitor/],
      [{ answer: 7, visitor: 'visitor_one' }, /msg\.answer must be a text, or an object/],
    ] as const) {
      const before = errors.length;
      helper.getNode('sink').receive(msg);
      await until(() => errors.length > before);
      assert.match(String(errors.at(-1)), sentence);
    }
    await web.stop();
    await start({ wishes: false });
    const without = calls('sink', 'error') as Error[];
    helper.getNode('sink').receive({ answer: 'x', visitor: 'visitor_one' });
    await until(() => without.length > 0);
    assert.match(String(without[0]), /this sink has no page for them/);
  });
});
