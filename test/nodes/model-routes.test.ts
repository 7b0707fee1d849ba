import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelList } from '../../nodes/lib/engine/model-routes';
import { Server } from '../lib/server';

/** Of the password "secret". */
const HASH = '$2b$08$QbxKDsyEIic7imNzSi6VbONaiaWeIyaL.u8gx6CQQDQ8ICOrQundO';

describe('routes behind the engine dialog and the sidebar', () => {
  let server: Server;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'routes-'));
    server = await Server.start([], { STREAMDIFFUSION_MODELS: folder, NODE_RED_USER: 'me', NODE_RED_PASSWORD_HASH: HASH });
    await server.ready();
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = (path: string, options: RequestInit = {}): Promise<Response> => fetch(`${server.address}/streamdiffusion/${path}`, options);
  const post = (body: unknown, token?: string, type = 'application/json'): RequestInit => ({
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': type, ...(token && { authorization: `Bearer ${token}` }) },
  });

  it('open for nobody without a login', async () => {
    for (const path of ['models', 'models/providers', 'models/downloads', 'streams', 'engine/check?modelType=starter'])
      assert.equal((await ask(path)).status, 401, path);
    for (const path of ['models/downloads', 'models/cancel'])
      assert.equal((await ask(path, post({ repository: 'a/b' }))).status, 401, path);
  });

  it('answer those who may', async () => {
    const login = await fetch(
      `${server.address}/auth/token`,
      post({ client_id: 'node-red-admin', grant_type: 'password', scope: '*', username: 'me', password: 'secret' }),
    );
    const { access_token: token } = (await login.json()) as { access_token: string };
    const list = (await (await ask('models', { headers: { authorization: `Bearer ${token}` } })).json()) as ModelList;
    assert.deepEqual([list.folder, list.installed, list.downloads], [folder, [], []]);
    assert.ok(list.known.length > 3);

    for (const body of [{}, { repository: 5 }, { repository: '../../etc' }, { repository: 'a/b', revision: '../..' }, []]) {
      const answer = await ask('models/downloads', post(body, token));
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.equal(((await answer.json()) as { code: string }).code, 'EBADPARAM');
    }
    assert.equal((await ask('models/cancel', post({}, token))).status, 200);
    const form = post('repository=a%2Fb', token, 'application/x-www-form-urlencoded');
    assert.equal((await ask('models/downloads', form)).status, 415, 'a form, which any page of another site could send');
  });
});
