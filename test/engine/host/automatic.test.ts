import assert from 'node:assert/strict';
import { acquireHost, type EngineSupervisor, type ProviderChoice, stopAllHosts } from '../../../engine/host/client';
import { providersHere } from '../../../engine/net/ort/provider-reports';
import type { StreamSettings } from '../../../engine/host/protocol/messages';
import type { Picture } from '../../../engine/image/picture';
import { withProviders } from '../../lib/stub-providers';
import { PATIENCE, until } from '../../lib/until';

const ENGINE = { model: 'starter', executionProviders: ['automatic'], intraOpNumThreads: 1 };
const settings: StreamSettings = { mode: 'img2img', width: 64, height: 64, tIndexList: [25, 40], cfgType: 'none', format: 'raw' };
const [CARD] = providersHere();
const BLACK: Picture = { kind: 'raw', data: new Uint8Array(64 * 64 * 3), width: 64, height: 64, channels: 3 };

const providerOf = ({ state }: EngineSupervisor): string | undefined =>
  state.phase === 'ready' ? state.info.executionProvider : undefined;

describe('host: automatic choice of an execution provider', function () {
  this.timeout(180_000);
  before(function () {
    if (providersHere().length >= 2) return;
    console.log('    skipped: ONNX Runtime has too few execution providers for this system to be stood in for');
    this.skip();
  });
  afterEach(() => stopAllHosts());

  /** Paints until the choice is made and taken over; answers of the frames, in the order in which they came. */
  async function paintUntilChosen(host: EngineSupervisor): Promise<{ choice: ProviderChoice; answers: string[]; order: number[] }> {
    const stream = host.openStream(settings);
    const answers: string[] = [];
    const order: number[] = [];
    let choice: ProviderChoice | undefined;
    host.once('choice', (made) => (choice = made));
    let sent = 0;
    const timer = setInterval(() => {
      const id = sent++;
      stream.submit({ picture: BLACK }).then(
        ({ outcome }) => {
          answers.push(outcome);
          if (outcome === 'finished') order.push(id);
        },
        ({ code }: { code: string }) => answers.push(code),
      );
    }, 40);
    try {
      await until(() => answers.includes('finished'));
      assert.equal(providerOf(host), 'cpu', 'the first pictures do not wait for the trials');
      await until(() => choice !== undefined, 2 * PATIENCE);
      const made = choice as unknown as ProviderChoice;
      await until(() => providerOf(host) === made.providers[0]);
      const { length } = order;
      await until(() => order.length > length + 5);
      return { choice: made, answers, order };
    } finally {
      clearInterval(timer);
    }
  }

  it('paints on the processor at first, goes on with the right card without losing a word or the order, and begins there next time', async () => {
    await withProviders({ cpu: 'slow', [CARD]: 'right' }, async () => {
      const host = acquireHost(ENGINE);
      const { choice, answers, order } = await paintUntilChosen(host);
      assert.deepEqual(choice.providers, [CARD, 'cpu']);
      assert.deepEqual([...new Set(answers)].sort(), ['dropped', 'finished']);
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
      );
      await stopAllHosts();
      const again = acquireHost(ENGINE);
      await until(() => providerOf(again) !== undefined);
      assert.equal(providerOf(again), CARD);
    });
  });

  it('stays on the processor beside a card that lies', async () => {
    await withProviders({ cpu: 'slow', [CARD]: 'lies' }, async () => {
      const host = acquireHost(ENGINE);
      const { pid } = host;
      const { choice, answers } = await paintUntilChosen(host);
      assert.deepEqual(choice.providers, ['cpu']);
      assert.ok(pid === undefined || host.pid === pid, 'the process stays');
      assert.ok(!answers.some((answer) => answer !== 'finished' && answer !== 'dropped'));
    });
  });

  it('ends its trials with the engine', async () => {
    await withProviders({ [CARD]: 'hangs' }, async () => {
      const host = acquireHost(ENGINE);
      await until(() => providerOf(host) === 'cpu');
      await stopAllHosts();
      assert.equal(host.state.phase, 'stopped');
    });
  });
});
