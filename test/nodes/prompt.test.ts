import assert from 'node:assert/strict';
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import type { PromptSpec, Transition } from '../../engine/host/protocol/messages';
import prompt from '../../nodes/prompt';
import { calls, helper, startFlow, until, type FlowNode } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { jpeg } from '../lib/pictures';

const DIALOG = { prompt: [{ text: 'hills', weight: 1 }] };

function flowWith(fields: object = {}): FlowNode[] {
  return [
    { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'hills', ...fields, wires: [['out']] },
    { id: 'out', type: 'helper' },
  ];
}

describe('prompt encoder', () => {
  let ledger: Ledger;
  let picture: Buffer;

  before(async () => {
    picture = Buffer.from((await jpeg({ r: 9, g: 90, b: 200 })).data);
  });
  afterEach(() => helper.unload());

  async function start(fields: object = {}): Promise<void> {
    await startFlow([prompt], flowWith(fields));
    ledger = keepLedger('prompt', ['out']);
  }

  /** Gives a message, waits until it has ended, and returns what was sent because of it. */
  async function give(msg: object): Promise<NodeMessage | undefined> {
    const given = { ...msg } as NodeMessage;
    helper.getNode('prompt').receive(given);
    const [sent] = await ledger.endOf(given);
    return sent.at(-1);
  }

  /** Gives messages with no time between them; what was sent because of each. */
  async function giveAtOnce(...msgs: object[]): Promise<(NodeMessage | undefined)[]> {
    const given = msgs.map((msg) => ({ ...msg }) as NodeMessage);
    for (const msg of given) helper.getNode('prompt').receive(msg);
    return Promise.all(given.map(async (msg) => (await ledger.endOf(msg))[0].at(-1)));
  }

  it('puts its prompts on every frame, whose picture it does not touch', async () => {
    await start({ negativePrompt: 'fog' });
    const msg = await give({ payload: picture, topic: 'a', mine: 1 });
    assert.equal(msg?.payload, picture);
    assert.deepEqual([msg?.topic, msg?.mine], ['a', 1]);
    assert.deepEqual(msg?.conditioning, { ...DIALOG, negativePrompt: [{ text: 'fog', weight: 1 }] });
    const raw = { data: Buffer.alloc(12), width: 2, height: 2, channels: 3 };
    assert.equal((await give({ payload: raw }))?.payload, raw);
  });

  it('keeps what a message said last, and returns to its dialog on reset', async () => {
    await start();
    assert.deepEqual(await give({ prompt: 'sea', negativePrompt: 'boats', payload: 1234 }).then(withoutId), {
      prompt: 'sea',
      negativePrompt: 'boats',
      conditioning: { prompt: [{ text: 'sea', weight: 1 }], negativePrompt: [{ text: 'boats', weight: 1 }] },
    });
    assert.deepEqual((await give({ payload: picture }))?.conditioning, {
      prompt: [{ text: 'sea', weight: 1 }],
      negativePrompt: [{ text: 'boats', weight: 1 }],
    });
    const query = { prompt: 'of the query', seed: '3' };
    assert.deepEqual(
      (await give({ prompt: 'sea', payload: query }))?.payload,
      query,
      'a query that is not read goes on: it asks for a picture from text',
    );
    assert.deepEqual((await give({ negativePrompt: '' }))?.conditioning, { prompt: [{ text: 'sea', weight: 1 }] });
    assert.deepEqual((await give({ reset: true }))?.conditioning, DIALOG);
    assert.deepEqual((await give({ payload: picture }))?.conditioning, DIALOG);
  });

  it('takes a list of texts with weights', async () => {
    await start();
    const msg = await give({ prompt: [{ text: 'day', weight: 3 }, { text: 'night', weight: 0 }, 'dusk'] });
    assert.deepEqual(msg?.conditioning, {
      prompt: [
        { text: 'day', weight: 3 },
        { text: 'night', weight: 0 },
        { text: 'dusk', weight: 1 },
      ],
    });
  });

  it('takes the text of an Inject button as the prompt, but never a picture', async () => {
    await start();
    const msg = await give({ payload: 'aurora over snow' });
    assert.deepEqual(msg?.conditioning, { prompt: [{ text: 'aurora over snow', weight: 1 }] });
    assert.ok(msg && !('payload' in msg));
    for (const payload of [
      picture.toString('base64'),
      `data:image/jpeg;base64,${picture.toString('base64')}`,
      'data:image/png;base64,torn',
      'A'.repeat(1000),
    ]) {
      const frame = await give({ payload });
      assert.equal(frame?.payload, payload);
      assert.deepEqual(frame?.conditioning, { prompt: [{ text: 'aurora over snow', weight: 1 }] }, payload.slice(0, 30));
    }
    assert.equal(ledger.errors.length, 0);
  });

  it('takes a text in a Buffer, as MQTT nodes send it, and an object with a prompt, also as JSON, but never a picture', async () => {
    await start();
    const night = [{ text: 'night', weight: 1 }];
    const cases: [unknown, object][] = [
      [Buffer.from('night'), { prompt: night }],
      [new Uint8Array(Buffer.from('Nacht über dem Meer')), { prompt: [{ text: 'Nacht über dem Meer', weight: 1 }] }],
      [{ prompt: 'night' }, { prompt: night }],
      ['{"prompt":"night"}', { prompt: night }],
      [
        Buffer.from(' {"prompt": [{"text": "sea", "weight": "0.5"}, "night"], "negativePrompt": "boats"}'),
        { prompt: [{ text: 'sea', weight: 0.5 }, ...night], negativePrompt: [{ text: 'boats', weight: 1 }] },
      ],
      ['{not json', { prompt: [{ text: '{not json', weight: 1 }] }],
    ];
    for (const [payload, conditioning] of cases) {
      await give({ reset: true });
      const msg = await give({ payload });
      const blank = 'negativePrompt' in conditioning ? {} : 'negativePrompt' in DIALOG ? { negativePrompt: DIALOG.negativePrompt } : {};
      assert.deepEqual(msg?.conditioning, { ...conditioning, ...blank }, JSON.stringify(payload));
      assert.ok(msg && !('payload' in msg));
    }
    const before = (await give({ payload: 'day' }))?.conditioning;
    for (const payload of [
      picture,
      Buffer.alloc(300),
      new Uint8Array([0xff, 0xd8, 0xff, 0xe0]),
      { data: Buffer.alloc(3), width: 1, height: 1, channels: 3 },
      { bitmap: {} },
      { width: 3 },
    ]) {
      const msg = await give({ payload });
      assert.deepEqual([msg?.payload, msg?.conditioning], [payload, before]);
    }
    assert.deepEqual((await give({ prompt: [{ text: 'a', weight: '2' }] }))?.conditioning, {
      ...(before as object),
      prompt: [{ text: 'a', weight: 2 }],
    });
    assert.equal(ledger.errors.length, 0);
  });

  it('lets a message without picture and prompt pass, for text to image', async () => {
    await start();
    assert.deepEqual(await give({ payload: 99 }).then(withoutId), { payload: 99, conditioning: DIALOG });
  });

  it('sends its prompts once the flow runs, and after every deploy', async () => {
    const seen: unknown[] = [];
    await startFlow(
      [prompt, witness(seen)],
      [
        { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'hills', wires: [['beside']] },
        { id: 'beside', type: 'witness' },
      ],
    );
    await until(() => seen.length === 1);
    await helper.setFlows(
      [
        { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'hills', wires: [['beside']] },
        { id: 'beside', type: 'witness', changed: true },
      ],
      'nodes',
    );
    await until(() => seen.length === 2);
    assert.deepEqual(seen, [DIALOG, DIALOG]);
  });

  it('refuses what is not a prompt, and keeps the one it has', async () => {
    await start();
    const bad = [
      { prompt: 5 },
      { prompt: {} },
      { prompt: [] },
      { prompt: [{ text: 'a', weight: NaN }] },
      { prompt: [{ text: 'a', weight: -1 }] },
      { prompt: [{ weight: 1 }] },
      { prompt: 'sea', negativePrompt: 7 },
      { prompt: 'a'.repeat(20_000) },
      { prompt: `data:image/jpeg;base64,${picture.toString('base64')}` },
    ];
    for (const msg of bad) await give(msg);
    assert.deepEqual(
      ledger.errors,
      bad.map(() => 'EBADPROMPT'),
    );
    assert.deepEqual((await give({ payload: picture }))?.conditioning, DIALOG);
  });

  it('takes frames through a transition, and with a new target goes on from where they are', async () => {
    await start();
    // Without frames for a moment it would go on by itself.
    const [first, second, third, turned, last] = await giveAtOnce(
      { prompt: 'sea', transition: { frames: 4, easing: 'linear' } },
      { payload: picture },
      { payload: picture },
      { prompt: 'night', transition: { frames: 2, easing: 'linear', method: 'slerp' }, payload: picture },
      { payload: picture },
    );
    assert.deepEqual(first?.conditioning, { prompt: [{ text: 'sea', weight: 1 }], transition: { from: DIALOG, position: 0 } });
    assert.deepEqual(
      [second, third].map((msg) => transitionOf(msg)?.position),
      [0.25, 0.5],
    );
    assert.deepEqual(transitionOf(turned), {
      from: { prompt: [{ text: 'sea', weight: 1 }], transition: { from: DIALOG, position: 0.5 } },
      position: 0.5,
      method: 'slerp',
    });
    assert.deepEqual(last?.conditioning, { prompt: [{ text: 'night', weight: 1 }] });
    assert.deepEqual(
      (await give({ prompt: 'day' }))?.conditioning,
      { prompt: [{ text: 'day', weight: 1 }] },
      'the transition was for that change',
    );
  });

  it('keeps a transition that comes alone for all changes to come, until it is reset', async () => {
    await start({ blend: 'cosine', transition: '2000' });
    const dialog = { ...DIALOG, blend: 'cosine' };
    await give({ transition: '60000', blend: '' });
    assert.equal(transitionOf(await give({ prompt: 'sea' }))?.position, 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { position = 1 } = transitionOf(await give({ payload: picture })) ?? {};
    assert.ok(position < 0.1, `after 100 of 60000 ms it was at ${position}`);
    assert.deepEqual((await give({ reset: true }))?.conditioning, dialog);
    assert.deepEqual((await give({ prompt: 'sea', transition: 0 }))?.conditioning, {
      prompt: [{ text: 'sea', weight: 1 }],
      blend: 'cosine',
    });
    assert.deepEqual((await give({ blend: 'linear', transition: 0 }))?.conditioning, { prompt: [{ text: 'sea', weight: 1 }] });
    assert.deepEqual(transitionOf(await give({ prompt: 'day' }))?.from, { prompt: [{ text: 'sea', weight: 1 }] });
  });

  it('moves on by itself where no frames pass, for the stream that the change was for, and rests when it is there', async () => {
    await start();
    const sent = ledger.sent[0];
    await until(() => sent.length === 1);
    sent.length = 0;
    await give({ prompt: 'sea', transition: 1000, topic: 'a' });
    await until(() => transitionOf(sent.at(-1)) === undefined);
    const positions = sent.map((msg) => transitionOf(msg)?.position ?? 1);
    assert.ok(positions.length >= 4, `${positions}`);
    assert.deepEqual(
      positions,
      [...positions].sort((a, b) => a - b),
    );
    assert.ok(sent.every((msg) => msg.topic === 'a' && !('payload' in msg)));
    const { length } = sent;
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(sent.length, length, 'nothing is sent any more');
  });

  it('sends nothing of its own while frames carry the transition', async () => {
    await start();
    await until(() => ledger.sent[0].length === 1);
    await give({ prompt: 'sea', transition: 300, payload: picture });
    const given = ledger.ended;
    let [frames, longest] = [0, 0];
    for (let [last, end] = [performance.now(), performance.now() + 600]; last < end; frames++) {
      helper.getNode('prompt').receive({ payload: picture } as NodeMessage);
      await new Promise((resolve) => setTimeout(resolve, 30));
      const now = performance.now();
      [longest, last] = [Math.max(longest, now - last), now];
    }
    await until(() => ledger.ended === given + frames);
    const own = ledger.sent[0].slice(1).filter((msg) => !('payload' in msg));
    // Where the machine stands still for so long that frames seem to have stopped, the node steps in, as it is to.
    if (longest < 200) assert.deepEqual(own, []);
    assert.equal(ledger.sent[0].length, 2 + frames + own.length);
    assert.deepEqual(ledger.sent[0].at(-1)?.conditioning, { prompt: [{ text: 'sea', weight: 1 }] });
  });

  it('refuses blends and transitions that cannot be, and keeps everything as it was', async () => {
    await start();
    const bad = [
      { blend: 'loud' },
      { prompt: 'sea', transition: -1 },
      { prompt: 'sea', transition: 'soon' },
      { transition: { ms: 10, frames: 10 } },
      { transition: { frames: 1.5 } },
      { transition: { length: 10 } },
      { transition: { easing: 'bounce' } },
      { transition: { pace: 'fast' } },
      { transition: [1000] },
    ];
    for (const msg of bad) await give(msg);
    assert.deepEqual(
      ledger.errors,
      bad.map(() => 'EBADPARAM'),
    );
    assert.deepEqual((await give({ prompt: 'hills' }))?.conditioning, DIALOG);
  });

  it('is not changed by what the flow does with a message', async () => {
    await start();
    const msg = await give({ payload: picture });
    (msg!.conditioning as typeof DIALOG).prompt[0].text = 'something else';
    assert.deepEqual((await give({ payload: picture }))?.conditioning, DIALOG);
  });

  it('shows the prompt, shortened', async () => {
    await start();
    const statuses = calls('prompt', 'status') as { text: string }[];
    await until(() => statuses.length === 1);
    await give({ prompt: 'a long walk along the shore of the northern sea' });
    await until(() => statuses.length === 2);
    assert.equal(statuses.at(-1)?.text, 'a long walk along the shore of…');
  });
});

function transitionOf(msg: NodeMessage | undefined): Transition | undefined {
  return (msg?.conditioning as PromptSpec | undefined)?.transition;
}

function withoutId(msg: NodeMessage | undefined): object {
  const { _msgid, ...rest } = msg ?? {};
  return rest;
}

/** A kind of node that writes down the conditionings it is sent, from its very start. */
function witness(seen: unknown[]): (RED: NodeAPI) => void {
  return (RED) => {
    RED.nodes.registerType('witness', function (this: Node, def: NodeDef) {
      RED.nodes.createNode(this, def);
      this.on('input', (msg, _send, done) => {
        seen.push(msg.conditioning);
        done();
      });
    });
  };
}
