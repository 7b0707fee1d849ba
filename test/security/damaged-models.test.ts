import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineSupervisor } from '../../engine/host/client';
import type { HostState, StreamSettings } from '../../engine/host/protocol/messages';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { Dice } from '../lib/dice';
import { jpegs } from '../lib/pictures';
import { REFERENCE_MODEL } from '../lib/reference';
import { PATIENCE } from '../lib/until';

const settings: StreamSettings = { mode: 'img2img', width: 64, height: 64, tIndexList: [25], cfgType: 'none' };
const NETS = ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'].map((name) => `${name}/model.onnx`);

/** Loads a model in a process of its own; resolves to the first state that says how that went. */
async function load(model: string): Promise<HostState> {
  const host = new EngineSupervisor({ model, intraOpNumThreads: 1 });
  host.start();
  try {
    const deadline = AbortSignal.timeout(PATIENCE);
    while (host.state.phase === 'starting' || host.state.phase === 'loading') await once(host, 'state', { signal: deadline });
    return host.state;
  } finally {
    await host.stop();
  }
}

function errorOf(state: HostState): { code: string; message: string } {
  return 'error' in state
    ? { code: String((state.error as { code?: string }).code), message: state.error.message }
    : { code: 'none', message: '' };
}

describe('damaged model files', function () {
  this.timeout(180_000);
  const dice = new Dice(5);
  const neighbour = new EngineSupervisor({ model: 'starter' });
  let painted = 0;
  let feeding: Promise<void>;
  let over = false;

  before(async () => {
    neighbour.start();
    const [picture] = await jpegs(1);
    const stream = neighbour.openStream(settings);
    await stream.submit({ picture });
    feeding = (async () => {
      for (; !over; painted++) {
        assert.equal((await stream.submit({ picture })).outcome, 'finished');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
  });
  after(async () => {
    over = true;
    await feeding;
    await neighbour.stop();
    await removeModelFolders();
  });

  async function refuses(changes: Parameters<typeof changedModel>[0], what: string): Promise<void> {
    const state = await load(await changedModel(changes));
    assert.equal(state.phase, 'failed', `${what}: ${JSON.stringify(state)}`);
    const { code, message } = errorOf(state);
    assert.equal(code, 'EBADMODEL', `${what}: ${message}`);
    assert.ok(message.includes(what.split(' ')[0].split('/')[0]), `${what}: ${message}`);
  }

  it('a file that ends too early is named', async () => {
    for (const net of NETS) {
      const whole = readFileSync(join(REFERENCE_MODEL, net));
      for (const share of [0, 0.01, 0.5, 0.99])
        await refuses({ [net]: whole.subarray(0, Math.floor(whole.length * share)) }, `${net} cut at ${share}`);
    }
  });

  it('a file of a version that nobody knows yet is named', async () => {
    for (const net of NETS.slice(1)) {
      const whole = Buffer.from(readFileSync(join(REFERENCE_MODEL, net)));
      // The first field of a model is its version, one byte.
      assert.equal(whole[0], 8);
      whole[1] = 120;
      await refuses({ [net]: whole }, `${net} of version 120`);
    }
  });

  it('flipped bits are named, or what they changed is only a number; the process ends at worst', async () => {
    const outcomes: Record<string, number> = {};
    for (let k = 0; k < 12; k++) {
      const net = dice.one(NETS);
      const torn = Buffer.from(readFileSync(join(REFERENCE_MODEL, net)));
      // Half of them in the first kilobyte, where the names and shapes are.
      for (let n = 0; n < 4; n++) torn[dice.below(k % 2 ? 1024 : torn.length)] ^= 1 << dice.below(8);
      const state = await load(await changedModel({ [net]: torn }));
      const outcome = state.phase === 'ready' ? 'ready' : errorOf(state).code;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      assert.ok(['ready', 'EBADMODEL', 'EHOST', 'EMEMORY'].includes(outcome), `${net}: ${JSON.stringify(state)}`);
    }
    assert.ok(outcomes.EBADMODEL > 0, JSON.stringify(outcomes));
  });

  it('and the engine beside them has painted all the time, in the same process', () => {
    assert.ok(painted > 10, `${painted} frames`);
    assert.equal(neighbour.report.restarts, 0);
  });
});
