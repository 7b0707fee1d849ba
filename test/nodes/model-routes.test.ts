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

  const login = async (): Promise<string> => {
    const who = { client_id: 'node-red-admin', grant_type: 'password', scope: '*', username: 'me', password: 'secret' };
    const answer = (await (await fetch(`${server.address}/auth/token`, post(who))).json()) as { access_token: string };
    return answer.access_token;
  };

  it('open for nobody without a login', async () => {
    for (const path of ['models', 'models/providers', 'models/downloads', 'streams', 'engine/check?modelType=starter', 'editor/qr?to=x'])
      assert.equal((await ask(path)).status, 401, path);
    for (const path of ['models/downloads', 'models/cancel', 'words', 'denoisers/a', 'prompts/a', 'controls/a'])
      assert.equal((await ask(path, post({ repository: 'a/b' }))).status, 401, path);
  });

  it('say which words a model reads', async () => {
    const token = await login();
    const words = async (
      body: unknown,
      type?: string,
    ): Promise<{ status: number; answer: { code?: string; reports?: { added: string[] }[]; known?: object } }> => {
      const response = await ask('words', post(body, token, type));
      return { status: response.status, answer: (await response.json()) as object };
    };
    const { status, answer } = await words({ modelType: 'starter', texts: ['(Meer:1.2), quokka', '夕日'] });
    assert.equal(status, 200);
    assert.deepEqual(answer.reports, [
      {
        words: [
          { word: 'Meer', as: ['sea'], known: true },
          { word: 'quokka', as: [], known: false },
        ],
        added: ['day'],
      },
      { words: [{ word: '夕日', as: ['sunset'], known: true }], added: [] },
    ]);
    assert.equal(answer.known, undefined, 'the list comes only when it is asked for');
    assert.ok((await words({ texts: [], modelType: 'starter', list: true })).answer.known);
    assert.deepEqual(
      (await words({ texts: ['sea'], modelType: 'str', model: '/no/such/folder' })).answer,
      {},
      'a model that is not there reads any text',
    );

    const many = Array.from({ length: 65 }, () => 'sea');
    for (const texts of [undefined, 'sea', { 0: 'sea' }, [7], ['sea', null], many, ['x'.repeat(40_001)]]) {
      const refused = await words({ texts, modelType: 'starter' });
      assert.deepEqual([refused.status, refused.answer.code], [400, 'EBADPARAM'], JSON.stringify(texts)?.slice(0, 60));
    }
    assert.equal(
      (await words('texts=sea', 'application/x-www-form-urlencoded')).status,
      415,
      'a form, which any page of another site could send',
    );
  });

  it('answer those who may', async () => {
    const token = await login();
    const list = (await (await ask('models', { headers: { authorization: `Bearer ${token}` } })).json()) as ModelList;
    assert.deepEqual([list.folder, list.installed, list.downloads], [folder, [], []]);
    assert.ok(list.known.length > 3);

    for (const body of [{}, { repository: 5 }, { repository: '../../etc' }, { repository: 'a/b', revision: '../..' }, []]) {
      const answer = await ask('models/downloads', post(body, token));
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.equal(((await answer.json()) as { code: string }).code, 'EBADPARAM');
    }
    assert.equal((await ask('models/cancel', post({}, token))).status, 200);
    const known = await ask('engine/automatic?modelType=starter&device=0', { headers: { authorization: `Bearer ${token}` } });
    assert.match(((await known.json()) as { lines: string[] }).lines[0], /Not tried yet|Runs on/);
    const wrong = await ask('engine/automatic', post({ modelType: 'str', model: '/nowhere' }, token));
    assert.match(((await wrong.json()) as { lines: string[] }).lines[0], /no model folder/);
    const form = post('repository=a%2Fb', token, 'application/x-www-form-urlencoded');
    assert.equal((await ask('models/downloads', form)).status, 415, 'a form, which any page of another site could send');
  });
});
