import assert from 'node:assert/strict';
import { EngineError } from '../../../../engine/errors';
import type { PullOptions, PullResult } from '../../../../engine/hub/pull';
import { type DownloadState, ModelDownloads } from '../../../../nodes/lib/engine/model-downloads';

const SETTINGS = { endpoint: 'https://hub', cacheFolder: '/cache', modelsFolder: '/models', token: 'hf_secret' };
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A download that ends when the test says so. */
class Line {
  readonly opened: { options: PullOptions; finish: (result: PullResult) => void; fail: (error: Error) => void }[] = [];

  readonly pull = (options: PullOptions): Promise<PullResult> =>
    new Promise((finish, fail) => {
      options.signal?.addEventListener('abort', () => fail(new EngineError('ECLOSED', 'cancelled')));
      this.opened.push({ options, finish, fail });
    });
}

describe('downloads of models', () => {
  let line: Line;
  let ended: DownloadState[];
  let downloads: ModelDownloads;

  beforeEach(() => {
    line = new Line();
    ended = [];
    downloads = new ModelDownloads(line.pull, (state) => ended.push(state));
  });

  it('say how far they are, and where the model lies in the end', async () => {
    downloads.start('a/b', 'main', SETTINGS);
    const progress = { phase: 'downloading', doneBytes: 1, totalBytes: 2, bytesPerSecond: 1, remainingMs: 1000 } as const;
    line.opened[0].options.onRetry?.('the line broke', 1000);
    assert.equal(downloads.states[0].retrying, 'the line broke');
    line.opened[0].options.onProgress?.(progress);
    assert.deepEqual(JSON.parse(JSON.stringify(downloads.states)), [{ repository: 'a/b', state: 'running', progress }]);
    line.opened[0].finish({ folder: '/models/a/b', commit: 'c', bytes: 2, downloadedBytes: 2 });
    await settled();
    assert.deepEqual([ended[0].state, ended[0].folder], ['done', '/models/a/b']);
    assert.ok(!JSON.stringify(downloads.states).includes('hf_secret'));
  });

  it('are not begun twice at the same time, but again after their end', async () => {
    downloads.start('a/b', 'main', SETTINGS);
    downloads.start('a/b', 'main', SETTINGS);
    assert.equal(line.opened.length, 1);
    line.opened[0].fail(new EngineError('ENETWORK', 'no line'));
    await settled();
    assert.deepEqual(downloads.states[0].error, { code: 'ENETWORK', message: 'no line' });
    assert.equal(downloads.start('a/b', 'main', SETTINGS).state, 'running');
    assert.equal(line.opened.length, 2);
  });

  it('are cancelled without a word in the log, and then forgotten', async () => {
    downloads.start('a/b', 'main', SETTINGS);
    downloads.cancel('a/b');
    await settled();
    assert.equal(downloads.states[0].state, 'cancelled');
    assert.deepEqual(ended, []);
    downloads.cancel('a/b');
    downloads.cancel('never/begun');
    assert.deepEqual(downloads.states, []);
  });

  it('are limited: three at once, ten remembered', async () => {
    for (const name of ['a', 'b', 'c']) downloads.start(`a/${name}`, 'main', SETTINGS);
    assert.throws(() => downloads.start('a/d', 'main', SETTINGS), { code: 'EBADPARAM', message: /wait for one/ });
    assert.throws(() => downloads.start('../etc', 'main', SETTINGS), { code: 'EBADPARAM' });
    for (let k = 0; k < 30; k++) {
      line.opened.forEach(({ fail }) => fail(new Error('over')));
      await settled();
      downloads.start(`x/${k}`, 'main', SETTINGS);
    }
    assert.equal(downloads.states.length, 11);
  });
});
