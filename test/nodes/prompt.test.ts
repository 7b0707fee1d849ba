import assert from 'node:assert/strict';
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import prompt from '../../nodes/prompt';
import { calls, helper, startFlow, until } from '../lib/flow';
import { DIALOG, setPrompt } from '../lib/prompt-flow';

describe('prompt encoder', () => {
  const encoder = setPrompt();

  it('puts its prompts on every frame, whose picture it does not touch', async () => {
    await encoder.start({ negativePrompt: 'fog' });
    const msg = await encoder.give({ payload: encoder.picture, topic: 'a', mine: 1 });
    assert.equal(msg?.payload, encoder.picture);
    assert.deepEqual([msg?.topic, msg?.mine], ['a', 1]);
    assert.deepEqual(msg?.conditioning, { ...DIALOG, negativePrompt: [{ text: 'fog', weight: 1 }] });
    const raw = { data: Buffer.alloc(12), width: 2, height: 2, channels: 3 };
    assert.equal((await encoder.give({ payload: raw }))?.payload, raw);
  });

  it('keeps what a message said last, and returns to its dialog on reset', async () => {
    await encoder.start();
    assert.deepEqual(await encoder.give({ prompt: 'sea', negativePrompt: 'boats', payload: 1234 }).then(withoutId), {
      prompt: 'sea',
      negativePrompt: 'boats',
      conditioning: { prompt: [{ text: 'sea', weight: 1 }], negativePrompt: [{ text: 'boats', weight: 1 }] },
    });
    assert.deepEqual((await encoder.give({ payload: encoder.picture }))?.conditioning, {
      prompt: [{ text: 'sea', weight: 1 }],
      negativePrompt: [{ text: 'boats', weight: 1 }],
    });
    const query = { prompt: 'of the query', seed: '3' };
    assert.deepEqual(
      (await encoder.give({ prompt: 'sea', payload: query }))?.payload,
      query,
      'a query that is not read goes on: it asks for a picture from text',
    );
    assert.deepEqual((await encoder.give({ negativePrompt: '' }))?.conditioning, { prompt: [{ text: 'sea', weight: 1 }] });
    assert.deepEqual((await encoder.give({ reset: true }))?.conditioning, DIALOG);
    assert.deepEqual((await encoder.give({ payload: encoder.picture }))?.conditioning, DIALOG);
  });

  it('takes a list of texts with weights', async () => {
    await encoder.start();
    const msg = await encoder.give({ prompt: [{ text: 'day', weight: 3 }, { text: 'night', weight: 0 }, 'dusk'] });
    assert.deepEqual(msg?.conditioning, {
      prompt: [
        { text: 'day', weight: 3 },
        { text: 'night', weight: 0 },
        { text: 'dusk', weight: 1 },
      ],
    });
  });

  it('takes the text of an Inject button as the prompt, but never a picture', async () => {
    await encoder.start();
    const msg = await encoder.give({ payload: 'aurora over snow' });
    assert.deepEqual(msg?.conditioning, { prompt: [{ text: 'aurora over snow', weight: 1 }] });
    assert.ok(msg && !('payload' in msg));
    for (const payload of [
      encoder.picture.toString('base64'),
      `data:image/jpeg;base64,${encoder.picture.toString('base64')}`,
      'data:image/png;base64,torn',
      'A'.repeat(1000),
    ]) {
      const frame = await encoder.give({ payload });
      assert.equal(frame?.payload, payload);
      assert.deepEqual(frame?.conditioning, { prompt: [{ text: 'aurora over snow', weight: 1 }] }, payload.slice(0, 30));
    }
    assert.equal(encoder.ledger.errors.length, 0);
  });

  it('takes a text in a Buffer, as MQTT nodes send it, and an object with a prompt, also as JSON, but never a picture', async () => {
    await encoder.start();
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
      await encoder.give({ reset: true });
      const msg = await encoder.give({ payload });
      const blank = 'negativePrompt' in conditioning ? {} : 'negativePrompt' in DIALOG ? { negativePrompt: DIALOG.negativePrompt } : {};
      assert.deepEqual(msg?.conditioning, { ...conditioning, ...blank }, JSON.stringify(payload));
      assert.ok(msg && !('payload' in msg));
    }
    const before = (await encoder.give({ payload: 'day' }))?.conditioning;
    for (const payload of [
      encoder.picture,
      Buffer.alloc(300),
      new Uint8Array([0xff, 0xd8, 0xff, 0xe0]),
      { data: Buffer.alloc(3), width: 1, height: 1, channels: 3 },
      { bitmap: {} },
      { width: 3 },
    ]) {
      const msg = await encoder.give({ payload });
      assert.deepEqual([msg?.payload, msg?.conditioning], [payload, before]);
    }
    assert.deepEqual((await encoder.give({ prompt: [{ text: 'a', weight: '2' }] }))?.conditioning, {
      ...(before as object),
      prompt: [{ text: 'a', weight: 2 }],
    });
    assert.equal(encoder.ledger.errors.length, 0);
  });

  it('lets a message without picture and prompt pass, for text to image', async () => {
    await encoder.start();
    assert.deepEqual(await encoder.give({ payload: 99 }).then(withoutId), { payload: 99, conditioning: DIALOG });
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
    await encoder.start();
    const bad = [
      { prompt: 5 },
      { prompt: {} },
      { prompt: [] },
      { prompt: [{ text: 'a', weight: NaN }] },
      { prompt: [{ text: 'a', weight: -1 }] },
      { prompt: [{ weight: 1 }] },
      { prompt: 'sea', negativePrompt: 7 },
      { prompt: 'a'.repeat(20_000) },
      { prompt: `data:image/jpeg;base64,${encoder.picture.toString('base64')}` },
    ];
    for (const msg of bad) await encoder.give(msg);
    assert.deepEqual(
      encoder.ledger.errors,
      bad.map(() => 'EBADPROMPT'),
    );
    assert.deepEqual((await encoder.give({ payload: encoder.picture }))?.conditioning, DIALOG);
  });

  it('is not changed by what the flow does with a message', async () => {
    await encoder.start();
    const msg = await encoder.give({ payload: encoder.picture });
    (msg!.conditioning as typeof DIALOG).prompt[0].text = 'something else';
    assert.deepEqual((await encoder.give({ payload: encoder.picture }))?.conditioning, DIALOG);
  });

  it('shows the prompt, shortened', async () => {
    await encoder.start();
    const statuses = calls('prompt', 'status') as { text: string }[];
    await until(() => statuses.length === 1);
    await encoder.give({ prompt: 'a long walk along the shore of the northern sea' });
    await until(() => statuses.length === 2);
    assert.equal(statuses.at(-1)?.text, 'a long walk along the shore of…');
  });
});

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
