import assert from 'node:assert/strict';
import type { FrameInfo } from '../../nodes/lib/common/frame-message';
import type { EngineNode } from '../../nodes/lib/engine/node';
import { flowWith, setDenoiser } from '../lib/denoiser-flow';
import { PATIENCE, calls, helper, messagesAt, until } from '../lib/flow';
import { hugePng } from '../lib/huge-png';
import { changedModel } from '../lib/model-folder';

describe('stream-batch denoiser in the face of faults', () => {
  const denoiser = setDenoiser();

  it('goes on with the next good frame after each kind of bad input', async () => {
    await denoiser.start();
    const bad: [string, object][] = [
      ['EBADFRAME', { payload: Buffer.alloc(0) }],
      ['EBADFRAME', { payload: denoiser.frames[0].subarray(0, denoiser.frames[0].length / 2) }],
      ['EBADFRAME', { payload: hugePng(20_000, 20_000) }],
      ['EBADFRAME', { payload: 'a text' }],
      ['EBADFRAME', { payload: 42 }],
      ['EBADFRAME', { payload: { width: 64 } }],
      ['EBADPARAM', { payload: denoiser.frames[0], params: { delta: NaN } }],
      ['EBADPROMPT', { payload: denoiser.frames[0], conditioning: 'a text' }],
      ['EBADPROMPT', { prompt: 'sea' }],
      ['EBADPROMPT', { conditioning: { prompt: [{ text: 5 }] } }],
    ];
    for (const [code, msg] of bad) {
      await denoiser.giveAndWait(msg);
      assert.equal(denoiser.ledger.errors.at(-1), code, JSON.stringify(msg).slice(0, 80));
      const sent = denoiser.out.length;
      await denoiser.giveAndWait({ payload: denoiser.frames[1] });
      assert.equal(denoiser.out.length, sent + 1, `a good frame after ${code}`);
    }
    assert.equal(denoiser.ledger.errors.length, bad.length);
  });

  it('reports what concerns every frame with one message, and recovers from it', async () => {
    await denoiser.start({ width: '100' });
    for (let k = 0; k < 5; k++) await denoiser.giveAndWait({ payload: denoiser.frames[k] });
    assert.deepEqual(denoiser.ledger.errors, ['EBADPARAM']);
    assert.equal(denoiser.ledger.done.length, 4);
    await denoiser.giveAndWait({ params: { width: 96 } });
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    assert.equal(denoiser.out.length, 1, denoiser.outcome);
  });

  it('names what is wrong with a model, once, and shows it', async () => {
    const torn = await changedModel({ 'unet/model.onnx': 'not a net' });
    const cases: [string, object][] = [
      ['ENOMODEL', { modelType: 'str', model: '/nowhere/model' }],
      ['ENOMODEL', { modelType: 'str', model: await changedModel({ 'unet/model.onnx': null }) }],
      ['EBADMODEL', { modelType: 'str', model: torn }],
      ['ENOPROVIDER', { executionProviders: 'nosuchprovider' }],
    ];
    for (const [code, engineFields] of cases) {
      await denoiser.start({}, engineFields);
      const statuses = calls('denoiser', 'status') as { fill?: string }[];
      for (let k = 0; k < 4; k++) denoiser.give({ payload: denoiser.frames[k] });
      await until(
        () => denoiser.ledger.ended === 4 && statuses.at(-1)?.fill === 'red',
        PATIENCE,
        () => `${code}: ${denoiser.outcome}, ${JSON.stringify(statuses)}`,
      );
      for (let k = 0; k < 3; k++) await denoiser.giveAndWait({ payload: denoiser.frames[k] });
      assert.deepEqual(denoiser.ledger.errors, [code]);
      await helper.unload();
    }
  });

  it('stands still with an explanation when its dialog cannot work', async () => {
    const cases = [
      { engine: '' },
      { engine: 'nowhere' },
      { steps: 'many' },
      { stepsBy: 'list', tIndexList: '5, 60' },
      { width: '-1' },
      { cfgType: 'best' },
    ];
    for (const fields of cases) {
      await denoiser.start(fields);
      for (let k = 0; k < 3; k++) await denoiser.giveAndWait({ payload: denoiser.frames[k] });
      assert.deepEqual([denoiser.ledger.errors, denoiser.ledger.done.length], [['EBADPARAM'], 2], JSON.stringify(fields));
      await helper.unload();
    }
  });

  it('tells a Catch node what is wrong, with its code', async () => {
    await denoiser.startIn([
      { id: 'tab', type: 'tab' },
      ...flowWith().map((node) => (node.id === 'engine' ? node : { ...node, z: 'tab' })),
      { id: 'catch-node', type: 'catch', z: 'tab', scope: ['denoiser'], wires: [['caught']] },
      { id: 'caught', type: 'helper', z: 'tab', wires: [] },
    ]);
    const caught = messagesAt('caught', 1);
    denoiser.give({ payload: 'a text', mine: 1 });
    const [{ error, mine }] = await caught;
    const { code, message } = error as { code: string; message: string };
    assert.deepEqual([code, mine], ['EBADFRAME', 1]);
    assert.match(message, /a text/);
  });

  it('goes on by itself when the engine is killed, and says so with one message', async () => {
    await denoiser.start();
    const phases: string[] = [];
    const user = { onState: ({ phase }: { phase: string }): unknown => phases.push(phase) };
    const host = (helper.getNode('engine') as EngineNode).register(user);
    await denoiser.giveAndWait({ params: { width: 96 } });
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    let given = denoiser.ledger.ended;
    const source = setInterval(() => denoiser.give({ payload: denoiser.frames[given++ % 8] }), 20);
    process.kill(host.pid ?? 0, 'SIGKILL');
    await until(
      () => phases.includes('restarting'),
      PATIENCE,
      () => phases.join(),
    );
    const sent = denoiser.out.length;
    await denoiser.until(() => denoiser.out.length > sent + 3);
    clearInterval(source);
    await denoiser.until(() => denoiser.ledger.ended === given);
    assert.equal((denoiser.out.at(-1)!.frame as FrameInfo).width, 96);
    assert.ok(
      denoiser.ledger.errors.length <= 1 && denoiser.ledger.errors.every((code) => code === 'EHOST'),
      denoiser.ledger.errors.join(' '),
    );
    await (helper.getNode('engine') as EngineNode).deregister(user);
  });
});
