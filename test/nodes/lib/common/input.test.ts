import assert from 'node:assert/strict';
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import { EngineError } from '../../../../engine/errors';
import { onClose } from '../../../../nodes/lib/common/closing';
import { onInput, type InputHandler } from '../../../../nodes/lib/common/input';
import { calls, helper, startFlow, until } from '../../../lib/flow';
import { keepLedger } from '../../../lib/ledger';

const FLOW = [
  { id: 'n1', type: 'probe', wires: [['out']] },
  { id: 'out', type: 'helper' },
];

/** A kind of node that handles its messages as the test says. */
function probe(handle: InputHandler, setUp: (node: Node) => void = () => undefined): (RED: NodeAPI) => void {
  return (RED) => {
    RED.nodes.registerType('probe', function (this: Node, def: NodeDef) {
      RED.nodes.createNode(this, def);
      onInput(this, handle);
      setUp(this);
    });
  };
}

describe('the end of a message', () => {
  afterEach(() => helper.unload());

  async function outcome(handle: InputHandler): Promise<{ errors: string[]; done: number; sent: number }> {
    await startFlow([probe(handle)], FLOW);
    const ledger = keepLedger('n1', ['out']);
    helper.getNode('n1').receive({ payload: 1 } as NodeMessage);
    await until(() => ledger.ended > 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { errors: ledger.errors, done: ledger.done.length, sent: ledger.sent[0].length };
  }

  it('comes once, with or without waiting', async () => {
    assert.deepEqual(await outcome((msg, send) => send(msg)), { errors: [], done: 1, sent: 1 });
    await helper.unload();
    assert.deepEqual(await outcome(async () => new Promise((resolve) => setTimeout(resolve, 5))), { errors: [], done: 1, sent: 0 });
  });

  it('carries the code of the error, thrown or rejected', async () => {
    const fail = (): never => {
      throw new EngineError('EBADFRAME', 'torn');
    };
    assert.deepEqual(await outcome(fail), { errors: ['EBADFRAME'], done: 0, sent: 0 });
    await helper.unload();
    assert.deepEqual(await outcome(async () => fail()), { errors: ['EBADFRAME'], done: 0, sent: 0 });
  });

  it('gives a code to what has none, a defect above all', async () => {
    for (const thrown of [new TypeError('x is undefined'), 'a text', undefined]) {
      assert.deepEqual(await outcome(async () => Promise.reject(thrown)), { errors: ['EINTERNAL'], done: 0, sent: 0 });
      await helper.unload();
    }
  });
});

describe('the close of a node', () => {
  afterEach(() => helper.unload());

  it('waits for the work, but not for ever', async () => {
    let worked = false;
    await startFlow(
      [
        probe(
          () => undefined,
          (node) =>
            onClose(node, async () => {
              await new Promise((resolve) => setTimeout(resolve, 50));
              worked = true;
            }),
        ),
      ],
      FLOW,
    );
    await helper.getNode('n1').close(false);
    assert.equal(worked, true);
    await helper.unload();

    await startFlow(
      [
        probe(
          () => undefined,
          (node) => onClose(node, () => new Promise(() => undefined), 100),
        ),
      ],
      FLOW,
    );
    const warnings = calls('n1', 'warn');
    const begun = performance.now();
    await helper.getNode('n1').close(true);
    assert.ok(performance.now() - begun < 10_000);
    await until(() => warnings.length === 1);
  });

  it('goes on, and says why, when the work fails', async () => {
    await startFlow(
      [
        probe(
          () => undefined,
          (node) =>
            onClose(node, () => {
              throw new EngineError('EHOST', 'gone');
            }),
        ),
      ],
      FLOW,
    );
    const errors = calls('n1', 'error') as { code: string }[];
    await helper.getNode('n1').close(false);
    await until(() => errors.length === 1);
    assert.equal(errors[0].code, 'EHOST');
  });
});
