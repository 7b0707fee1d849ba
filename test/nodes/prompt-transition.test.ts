import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { helper, until } from '../lib/flow';
import { DIALOG, setPrompt, transitionOf } from '../lib/prompt-flow';

describe('prompt encoder in a transition', () => {
  const encoder = setPrompt();

  it('takes frames through a transition, and with a new target goes on from where they are', async () => {
    await encoder.start();
    // Without frames for a moment it would go on by itself.
    const [first, second, third, turned, last] = await encoder.giveAtOnce(
      { prompt: 'sea', transition: { frames: 4, easing: 'linear' } },
      { payload: encoder.picture },
      { payload: encoder.picture },
      { prompt: 'night', transition: { frames: 2, easing: 'linear', method: 'slerp' }, payload: encoder.picture },
      { payload: encoder.picture },
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
      (await encoder.give({ prompt: 'day' }))?.conditioning,
      { prompt: [{ text: 'day', weight: 1 }] },
      'the transition was for that change',
    );
  });

  it('keeps a transition that comes alone for all changes to come, until it is reset', async () => {
    await encoder.start({ blend: 'cosine', transition: '2000' });
    const dialog = { ...DIALOG, blend: 'cosine' };
    await encoder.give({ transition: '60000', blend: '' });
    assert.equal(transitionOf(await encoder.give({ prompt: 'sea' }))?.position, 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { position = 1 } = transitionOf(await encoder.give({ payload: encoder.picture })) ?? {};
    assert.ok(position < 0.1, `after 100 of 60000 ms it was at ${position}`);
    assert.deepEqual((await encoder.give({ reset: true }))?.conditioning, dialog);
    assert.deepEqual((await encoder.give({ prompt: 'sea', transition: 0 }))?.conditioning, {
      prompt: [{ text: 'sea', weight: 1 }],
      blend: 'cosine',
    });
    assert.deepEqual((await encoder.give({ blend: 'linear', transition: 0 }))?.conditioning, { prompt: [{ text: 'sea', weight: 1 }] });
    assert.deepEqual(transitionOf(await encoder.give({ prompt: 'day' }))?.from, { prompt: [{ text: 'sea', weight: 1 }] });
  });

  it('moves on by itself where no frames pass, for the stream that the change was for, and rests when it is there', async () => {
    await encoder.start();
    const sent = encoder.ledger.sent[0];
    await until(() => sent.length === 1);
    sent.length = 0;
    await encoder.give({ prompt: 'sea', transition: 1000, topic: 'a' });
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
    await encoder.start();
    await until(() => encoder.ledger.sent[0].length === 1);
    await encoder.give({ prompt: 'sea', transition: 300, payload: encoder.picture });
    const given = encoder.ledger.ended;
    let [frames, longest] = [0, 0];
    for (let [last, end] = [performance.now(), performance.now() + 600]; last < end; frames++) {
      helper.getNode('prompt').receive({ payload: encoder.picture } as NodeMessage);
      await new Promise((resolve) => setTimeout(resolve, 30));
      const now = performance.now();
      [longest, last] = [Math.max(longest, now - last), now];
    }
    await until(() => encoder.ledger.ended === given + frames);
    const own = encoder.ledger.sent[0].slice(1).filter((msg) => !('payload' in msg));
    // Where the machine stands still for so long that frames seem to have stopped, the node steps in, as it is to.
    if (longest < 200) assert.deepEqual(own, []);
    assert.equal(encoder.ledger.sent[0].length, 2 + frames + own.length);
    assert.deepEqual(encoder.ledger.sent[0].at(-1)?.conditioning, { prompt: [{ text: 'sea', weight: 1 }] });
  });

  it('refuses blends and transitions that cannot be, and keeps everything as it was', async () => {
    await encoder.start();
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
    for (const msg of bad) await encoder.give(msg);
    assert.deepEqual(
      encoder.ledger.errors,
      bad.map(() => 'EBADPARAM'),
    );
    assert.deepEqual((await encoder.give({ prompt: 'hills' }))?.conditioning, DIALOG);
  });
});
