import assert from 'node:assert/strict';
import WebSocket from 'ws';
import sink from '../../nodes/sink';
import source from '../../nodes/source';
import { calls, until } from '../lib/flow';
import { startKeepingProxy } from '../lib/keeping-proxy';
import { WebFlow } from '../lib/web-flow';

/** The status with which a WebSocket is answered that a page of this address opens. */
async function open(address: string): Promise<number> {
  const socket = new WebSocket(address.replace('http', 'ws'), { origin: new URL(address).origin });
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.once('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.once('unexpected-response', (_, response) => {
      resolve(response.statusCode ?? 0);
      response.resume();
    });
  });
}

describe('a proxy that keeps headers to itself', () => {
  let web: WebFlow;
  beforeEach(async () => {
    web = await WebFlow.start(
      [source, sink],
      [
        { id: 'source', type: 'streamdiffusion-source', kind: 'browser', name: 'stage' },
        { id: 'sink', type: 'streamdiffusion-sink', name: 'live' },
      ],
    );
  });
  afterEach(() => web.stop());

  for (const [keeps, status, problem] of [
    [['upgrade', 'connection', 'host'], 426, /header Upgrade$/],
    [['upgrade'], 426, /header Upgrade$/],
    [['connection'], 426, /header Upgrade$/],
    [['host'], 403, /header Host$/],
    [['sec-websocket-key'], 400, /header Sec-WebSocket-Key$/],
    [['upgrade', 'connection', 'sec-websocket-key'], 426, /header Upgrade$/],
    [[], 101, undefined],
  ] as const) {
    it(`is named once by the node, and to its page: ${keeps.join(', ') || 'none'}`, async () => {
      const proxy = await startKeepingProxy(web.address, [...keeps]);
      try {
        for (const [id, path] of [
          ['source', 'stage/camera'],
          ['sink', 'live'],
        ]) {
          const warnings = calls(id, 'warn') as string[];
          for (const number of ['1_1', '1_2', '1_3']) assert.equal(await open(`${proxy.address}/${path}?socket=${number}`), status, path);
          const fate = (await (await fetch(`${proxy.address}/${path}?why=1_3`)).json()) as { problem?: string; advice?: string };
          if (problem) {
            await until(() => warnings.length > 0);
            assert.match(String(fate.problem), problem);
            assert.match(String(fate.advice), status === 400 ? /Sec-WebSocket/ : /proxy_set_header/);
          } else {
            assert.deepEqual(fate, {});
          }
          assert.equal(warnings.length, problem ? 1 : 0, warnings.join('\n'));
          const page = await fetch(`${proxy.address}/${path}`);
          assert.match(await page.text(), /<!DOCTYPE html>/, 'a page is a page all the same');
        }
      } finally {
        proxy.stop();
      }
    });
  }

  it('and one that lets no WebSocket through at all is told to the page', async () => {
    for (const path of ['stage/camera', 'live']) {
      const { problem } = (await (await fetch(`${web.address}/${path}?why=never_seen`)).json()) as { problem: string };
      assert.match(problem, /do not get through/);
    }
  });

  it('is told in the language of the page', async () => {
    const why = async (query: string, language = 'en'): Promise<{ problem: string; advice: string }> =>
      (await (await fetch(`${web.address}/live?why=${query}`, { headers: { 'Accept-Language': language } })).json()) as {
        problem: string;
        advice: string;
      };
    assert.equal(await open(`${web.address}/live?socket=h_1`), 101);
    await fetch(`${web.address}/live?socket=u_1`);
    assert.match((await why('u_1', 'de-CH')).problem, /gibt den Header Upgrade nicht weiter/);
    assert.match((await why('u_1&lang=ja', 'de')).advice, /WebSocketが必要.*proxy_set_header Upgrade/);
    assert.match((await why('unknown', 'zh-CN')).problem, /无法到达 Node-RED/);
    assert.match((await why('u_1', 'fr')).problem, /does not pass on the header Upgrade/);
  });

  it('costs no memory for tries with numbers of any length and number', async () => {
    const ask = async (number: string): Promise<{ problem?: string }> =>
      (await (await fetch(`${web.address}/live?why=${number}`)).json()) as { problem?: string };
    for (let k = 0; k < 300; k++) await fetch(`${web.address}/live?socket=n${k}`);
    assert.match(String((await ask('n299')).problem), /header Upgrade/);
    assert.match(String((await ask('n0')).problem), /do not get through/, 'long ago');
    await fetch(`${web.address}/live?socket=${'9'.repeat(5000)}`);
    assert.match(String((await ask('9'.repeat(5000))).problem), /do not get through/);
  });
});
