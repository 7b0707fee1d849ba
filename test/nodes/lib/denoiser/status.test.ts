import assert from 'node:assert/strict';
import type { NodeStatus } from 'node-red';
import { EngineError } from '../../../../engine/errors';
import type { HostState } from '../../../../engine/host/protocol/messages';
import { showDenoiser } from '../../../../nodes/lib/denoiser/status';
import { Status } from '../../../../nodes/lib/common/status';

describe('the status of a denoiser', () => {
  const shown = (state: object, fault?: Error): NodeStatus => {
    let newest: NodeStatus = {};
    const status = new Status(
      {
        status: (value: string | NodeStatus) => {
          newest = value as NodeStatus;
        },
      },
      (key) => key.split('.').at(-1)!,
    );
    showDenoiser(status, state as HostState, fault, []);
    status.close();
    return newest;
  };
  const away = new EngineError('ENETWORK', 'http://127.0.0.1:8000 cannot be reached, or broke off: connect ECONNREFUSED 127.0.0.1:8000');
  const loading = { phase: 'loading', loadedBytes: 1, totalBytes: 2 };

  it('names the server that cannot be reached, and goes on doing so while it is tried again', () => {
    for (const status of [shown({ phase: 'restarting', error: away }), shown({ phase: 'starting' }, away), shown(loading, away)]) {
      assert.match(status.text!, /^http:\/\/127\.0\.0\.1:8000 cannot be reached/);
      assert.deepEqual([status.fill, status.shape], ['yellow', 'ring']);
    }
  });

  it('is about the engine where the engine is at fault, or nothing is', () => {
    assert.equal(
      shown({ phase: 'restarting', error: new EngineError('ETIMEOUT', 'the engine made no progress for 120 s') }).text,
      'restarting',
    );
    assert.equal(shown(loading).text, 'loadingPercent');
    assert.equal(shown(loading, new EngineError('EBADPARAM', 'no')).text, 'loadingPercent');
  });
});
