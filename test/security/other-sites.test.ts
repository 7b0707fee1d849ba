import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Express } from 'express';
import type { NodeAPI } from 'node-red';
import { WebSocket } from 'ws';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import { isKnownHost } from '../../nodes/lib/web/site';
import sink from '../../nodes/sink';
import source from '../../nodes/source';
import { Server } from '../lib/server';
import { LoopClock } from '../lib/strain';
import { WebFlow } from '../lib/web-flow';

/** The status with which an address answers these headers; `allow` is the header that lets pages of other sites read. */
async function ask(address: string, headers: Record<string, string> = {}, method = 'GET'): Promise<{ status?: number; allow?: string }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    (method === 'GET' ? get : request)(address, { headers, method }, resolve).once('error', reject).end(),
  );
  response.destroy();
  return { status: response.statusCode, allow: response.headers['access-control-allow-origin'] };
}

function upgrade(address: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(address.replace('http', 'ws'), { headers });
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.once('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
  });
}

const ELSEWHERE = { origin: 'http://evil.example' };
const REBOUND = { host: 'evil.example:1880', origin: 'http://evil.example:1880' };

describe('pages of other sites', () => {
  it('know no name that is an address, a name of the network, or in the settings', () => {
    for (const host of [
      '127.0.0.1:1880',
      '[::1]:1880',
      'localhost',
      'LOCALHOST:1',
      'a.localhost',
      'pi:1880',
      'pi.local',
      'pi.local.',
      'studio.lan',
      '10.0.0.7',
      undefined,
    ])
      assert.ok(isKnownHost(host, {}), host);
    for (const host of [
      'evil.example',
      'evil.example:1880',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      'evil-local.com',
      '1.2.3',
      '[evil.example]:1',
      'local.evil.example',
    ])
      assert.ok(!isKnownHost(host, {}), host);
    for (const streamdiffusionHosts of ['Piece.example.org', ['a.example', 'piece.example.org']]) {
      assert.ok(isKnownHost('piece.example.org:443', { streamdiffusionHosts }));
      assert.ok(!isKnownHost('example.org', { streamdiffusionHosts }));
    }
  });

  describe('at a Node-RED of anybody', () => {
    let web: WebFlow;
    const start = async (settings: object = {}): Promise<void> => {
      web = await WebFlow.start(
        [engine, denoiser, source, sink],
        [
          { id: 'sink', type: 'streamdiffusion-sink', name: 'live' },
          { id: 'source', type: 'streamdiffusion-source', name: 'live', kind: 'browser' },
        ],
        { settings },
      );
    };
    afterEach(() => web.stop());

    const paths = ['live', 'live.jpg', 'live.mjpg', 'live/camera', 'health', 'nobody'];

    it('get nothing of any address under a name that leads here, nor a WebSocket', async () => {
      await start();
      for (const path of paths) {
        assert.equal((await ask(`${web.address}/${path}`, REBOUND)).status, 403, path);
        assert.equal((await ask(`${web.address}/${path}`, { host: 'evil.example' })).status, 403, path);
      }
      for (const path of ['live', 'live/camera']) assert.equal(await upgrade(`${web.address}/${path}`, REBOUND), 403, path);
    });

    it('may read nothing under their own name, unless httpNodeCors says so; programs and own pages may', async () => {
      await start();
      const own = { origin: new URL(web.address).origin };
      for (const path of paths) {
        for (const headers of [ELSEWHERE, { origin: 'null' }, { ...ELSEWHERE, 'x-forwarded-host': 'evil.example' }]) {
          assert.equal((await ask(`${web.address}/${path}`, headers)).status, 403, path);
        }
        assert.notEqual((await ask(`${web.address}/${path}`, own)).status, 403, path);
        assert.notEqual((await ask(`${web.address}/${path}`)).status, 403, path);
      }
      await web.stop();
      await start({ httpNodeCors: { origin: 'http://friend.example' } });
      assert.deepEqual(await ask(`${web.address}/live`, { origin: 'http://friend.example' }), {
        status: 200,
        allow: 'http://friend.example',
      });
      assert.notEqual((await ask(`${web.address}/live`, ELSEWHERE)).allow, ELSEWHERE.origin);
    });

    it("use none of this package's addresses for the editor, unless there is a login, or httpAdminCors names them", async () => {
      let admin: Express | undefined;
      const ofEditor = async (settings: object, headers: Record<string, string>): Promise<(number | undefined)[]> => {
        web = await WebFlow.start(
          [
            (RED: NodeAPI) => {
              admin = RED.httpAdmin;
            },
            engine,
          ],
          [],
          { settings },
        );
        const server = createServer((...exchange) => admin!(...exchange));
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/streamdiffusion`;
        const answers = await Promise.all(
          ['streams', 'models', 'models/downloads', 'engine/check?model=x'].map((path) => ask(`${address}/${path}`, headers)),
        );
        server.closeAllConnections();
        server.close();
        return answers.map(({ status }) => status);
      };
      for (const headers of [ELSEWHERE, REBOUND]) {
        assert.deepEqual(new Set(await ofEditor({}, headers)), new Set([403]));
        await web.stop();
        assert.ok(!(await ofEditor({ adminAuth: {} }, headers)).includes(403));
        await web.stop();
      }
      assert.ok(!(await ofEditor({ httpAdminCors: { origin: ELSEWHERE.origin } }, ELSEWHERE)).includes(403));
      await web.stop();
      assert.ok(!(await ofEditor({}, {})).includes(403));
    });

    it('reach it under a name that the settings know, and under any with a login', async () => {
      await start({ streamdiffusionHosts: 'evil.example' });
      assert.equal((await ask(`${web.address}/live`, REBOUND)).status, 200);
      assert.equal(await upgrade(`${web.address}/live`, REBOUND), 101);
      await web.stop();
      await start({ httpNodeAuth: { user: 'a', pass: 'b' } });
      assert.equal((await ask(`${web.address}/live`, { host: 'piece.example.org' })).status, 200);
    });

    it('who are refused are gone in a second or two, also when they do not end their side', async () => {
      await start();
      const { port } = new URL(web.address);
      const refused = Array.from({ length: 30 }, (_, k) => {
        const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
        socket.on('error', () => undefined).resume();
        const path = ['nobody', 'nobody/camera', 'live/camera/more'][k % 3];
        socket.write(
          `GET /streamdiffusion/${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
        );
        return socket;
      });
      await Promise.all(refused.map((socket) => once(socket, 'end')));
      const left = (): Promise<number> => new Promise((resolve) => web.server.getConnections((_, count) => resolve(count)));
      const clock = new LoopClock();
      for (; (await left()) > 0; await new Promise((resolve) => setTimeout(resolve, 50))) {
        assert.ok(clock.ms < 8000, `${await left()} of 30 are left`);
      }
      clock.stop();
      for (const socket of refused) socket.destroy();
    });
  });

  describe('at npm start', () => {
    let server: Server;
    before(async () => {
      server = await Server.start();
      await server.ready();
    });
    after(() => server.stop());

    it('read no flows and use no checks, neither from elsewhere nor under a name that leads here', async () => {
      const all: Record<string, string>[] = [
        ELSEWHERE,
        REBOUND,
        { host: 'evil.example' },
        { ...ELSEWHERE, 'x-forwarded-host': 'evil.example' },
        { ...ELSEWHERE, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
      ];
      for (const headers of all) {
        for (const path of [
          '/flows',
          '/settings',
          '/',
          '/streamdiffusion/streams',
          '/streamdiffusion/models',
          '/streamdiffusion/engine/check?model=/etc',
        ]) {
          assert.equal((await ask(server.address + path, headers)).status, 403, `${path} ${JSON.stringify(headers)}`);
        }
        assert.equal((await ask(`${server.address}/flows`, headers, 'POST')).status, 403);
      }
      assert.equal((await ask(`${server.address}/flows`)).status, 200);
      assert.equal((await ask(`${server.address}/flows`, { origin: server.address })).status, 200);
    });

    it("open no WebSocket, the editor's own among them", async () => {
      for (const path of ['/comms', '/streamdiffusion/live']) {
        for (const headers of [ELSEWHERE, REBOUND]) assert.equal(await upgrade(server.address + path, headers), 403, path);
        assert.equal(await upgrade(server.address + path, { origin: server.address }), 101, path);
      }
    });
  });
});
