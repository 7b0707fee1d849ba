import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import denoiser from '../../../../nodes/denoiser';
import engine from '../../../../nodes/engine';
import filter from '../../../../nodes/filter';
import sink from '../../../../nodes/sink';
import { helper, messagesAt, startFlow, until } from '../../../lib/flow';

interface Entry {
  level: number;
  id: string;
  msg: unknown;
}

/** Of Node-RED's log. */
const ERROR = 20;

const logged = (id: string): unknown[] =>
  helper
    .log()
    .getCalls()
    .map(({ args: [entry] }) => entry as Entry)
    .filter((entry) => entry.level === ERROR && entry.id === id)
    .map(({ msg }) => msg);

describe('errors in the log and the Debug sidebar', () => {
  afterEach(() => helper.unload());

  it('are sentences, of a message as of a dialog', async () => {
    await startFlow(
      [engine, denoiser, filter, sink],
      [
        { id: 'filter', type: 'streamdiffusion-filter', wires: [[], []] },
        { id: 'denoiser', type: 'streamdiffusion-denoiser', wires: [] },
        { id: 'sink', type: 'streamdiffusion-sink', name: 'Not an address', wires: [] },
      ],
    );
    helper.getNode('filter').receive({ payload: 'no picture' } as NodeMessage);
    await until(() => ['filter', 'denoiser', 'sink'].every((id) => logged(id).length > 0));
    for (const id of ['filter', 'denoiser', 'sink']) {
      for (const text of logged(id)) assert.match(String(text), /^(?!\w*Error)[^{]{20}/, id);
      assert.ok(
        logged(id).every((each) => typeof each === 'string'),
        id,
      );
    }
    assert.match(String(logged('denoiser')[0]), /no engine is chosen/);
  });

  it('reach a Catch node with their code', async () => {
    await startFlow(
      [filter],
      [
        { id: 'tab', type: 'tab' },
        { id: 'filter', type: 'streamdiffusion-filter', z: 'tab', wires: [[], []] },
        { id: 'catch-node', type: 'catch', z: 'tab', wires: [['caught']] },
        { id: 'caught', type: 'helper', z: 'tab' },
      ],
    );
    const caught = messagesAt('caught', 1);
    helper.getNode('filter').receive({ payload: 'no picture' } as NodeMessage);
    const [{ error }] = await caught;
    assert.equal((error as { code: string }).code, 'EBADFRAME');
    assert.deepEqual(logged('filter'), [], 'caught is not logged');
  });
});
