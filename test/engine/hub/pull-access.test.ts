import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { hubSettings } from '../../../engine/hub/settings';
import { HubServer, sha256 } from '../../lib/hub-server';
import { REPOSITORY, setPullStage, WEIGHTS, weights } from '../../lib/pull-stage';

describe('pull: names, logins and addresses', () => {
  const stage = setPullStage();

  it('tells what was wrong with the name, the login or the licence', async () => {
    await assert.rejects(stage.pull({ repository: 'owner/other' }), {
      code: 'EDENIED',
      message: /401 for owner\/other.*does not exist, or is private/,
    });
    await assert.rejects(stage.pull({ revision: 'v9' }), {
      code: 'ENOMODEL',
      message: /404 for owner\/tiny-model at v9.*check the name and the revision/,
    });
    stage.hub.gated = true;
    await assert.rejects(stage.pull(), { code: 'EDENIED', message: /403.*accept its licence/ });
    stage.hub.gated = false;
    stage.hub.token = 'right';
    const settings = hubSettings({ HF_ENDPOINT: stage.hub.address, HF_HOME: stage.folder, HF_TOKEN: 'wrong' });
    await assert.rejects(stage.pull({ settings }), { code: 'EDENIED', message: /HF_TOKEN is not accepted/ });
    for (const repository of ['model', '../up', 'a/b/c', 'a/..', '-a/b', 'https://huggingface.co/a/b', 'a/b c']) {
      await assert.rejects(stage.pull({ repository }), { code: 'EBADPARAM', message: /OWNER\/NAME/ }, repository);
    }
    await assert.rejects(stage.pull({ revision: '../main' }), { code: 'EBADPARAM' });
    assert.ok(!existsSync(stage.target));
  });

  it('sends the token to the hub, and to no server that the hub names', async () => {
    stage.hub.token = 'secret';
    await stage.pull();
    assert.ok(stage.hub.seen.every(({ server, authorization }) => authorization === (server === 'hub' ? 'Bearer secret' : undefined)));
    assert.ok(stage.hub.seen.some(({ server }) => server === 'files'));
  });

  it('asks a mirror below its own path', async () => {
    stage.hub.prefix = '/mirror/models';
    await stage.pull({ settings: hubSettings({ HF_ENDPOINT: `${stage.hub.address}/mirror/models/`, HF_HOME: stage.folder }) });
    assert.equal(await stage.contentOf(WEIGHTS), sha256(weights));
  });

  it('asks for a new address when the one of a file does not hold any more', async () => {
    stage.hub.faults.set(WEIGHTS, { status: 403, times: 1 });
    const reasons: string[] = [];
    await stage.pull({ onRetry: (reason) => reasons.push(reason) });
    assert.equal(await stage.contentOf(WEIGHTS), sha256(weights));
    assert.deepEqual(
      reasons.map((reason) => reason.replace(/:\d+/, '')),
      ['127.0.0.1 answers 403 for unet/model.onnx_data'],
    );
    assert.equal(stage.hub.seen.filter(({ server, path }) => server === 'hub' && path.endsWith(WEIGHTS)).length, 2);
  });

  it('follows no redirect that is not https', async () => {
    stage.hub.faults.set(WEIGHTS, { redirectTo: 'http://example.com/weights' });
    await assert.rejects(stage.pull(), { code: 'ENETWORK', message: /example\.com.*not https/ });
  });

  it('says so when nobody answers', async () => {
    const settings = hubSettings({ HF_ENDPOINT: stage.hub.address, HF_HOME: stage.folder });
    await stage.hub.stop();
    await assert.rejects(stage.pull({ settings }), {
      code: 'ENETWORK',
      message: /^127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED.*given up after 3 tries/,
    });
    stage.hub = await HubServer.start(REPOSITORY, new Map());
  });
});
