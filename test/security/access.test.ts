import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { PATIENCE, until } from '../lib/flow';
import { readMjpeg } from '../lib/mjpeg';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';

const PASSWORD = 'correct horse';
const LOGIN = { Authorization: `Basic ${Buffer.from(`stage:${PASSWORD}`).toString('base64')}` };

/** What viewers reach, and what editors reach. */
const VIEWER = ['live', 'live.jpg', 'live.mjpg', 'health', 'live/camera', 'other', 'live/snapshots', '%2e%2e%2fsettings'].map(
  (path) => `/streamdiffusion/${path}`,
);
// Tickets for performance pages are there as soon as a sink has one: test/browser/play-login.test.ts asks for them.
const EDITOR = routesOf('httpAdmin').filter(({ path }) => !path.includes('/tickets/'));

/** Every route that the package's nodes put up, so that a new one is asked as well. */
function routesOf(app: 'httpAdmin' | 'httpNode'): { method: string; path: string }[] {
  const files = readdirSync(join(ROOT, 'nodes'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const text = files.map((file) => readFileSync(join(ROOT, 'nodes', file), 'utf8')).join('\n');
  return [...text.matchAll(new RegExp(`RED\\.${app}\\.(get|post|put|delete|use|all)\\(\\s*'([^']+)'`, 'g'))].map(([, method, path]) => ({
    method: method.toUpperCase(),
    path,
  }));
}

describe('a server with a login', () => {
  let server: Server;
  const sockets: Socket[] = [];

  before(async () => {
    // The one that Node-RED itself has.
    const { hashSync } = createRequire(require.resolve('node-red'))('bcryptjs') as { hashSync(password: string, rounds: number): string };
    server = await Server.start([], { NODE_RED_USER: 'stage', NODE_RED_PASSWORD_HASH: hashSync(PASSWORD, 4) });
    await server.ready();
    await until(
      () => server.output.includes('ready: model'),
      PATIENCE,
      () => server.output,
    );
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await server.stop();
  });

  const status = async (path: string, init: RequestInit = {}): Promise<number> => {
    const response = await fetch(server.address + path, { ...init, signal: AbortSignal.timeout(PATIENCE) });
    await response.body?.cancel();
    return response.status;
  };

  it('answers 401 to everybody else, at every address of viewers', async () => {
    const known = routesOf('httpNode').map(({ path }) => path.replace(/:\w+/, 'live'));
    assert.ok(known.length >= 3, known.join());
    for (const path of [...VIEWER, ...known]) {
      assert.equal(await status(path), 401, path);
      assert.equal(await status(path, { headers: { Authorization: `Basic ${Buffer.from('stage:guess').toString('base64')}` } }), 401, path);
    }
    assert.equal(await status('/streamdiffusion/live', { headers: LOGIN }), 200);
    assert.equal(await status('/streamdiffusion/health', { headers: LOGIN }), 200);
  });

  it('answers 401 to everybody else, at every address of editors, also to viewers', async () => {
    assert.ok(EDITOR.length >= 7, JSON.stringify(EDITOR));
    for (const { method, path } of [...EDITOR, { method: 'GET', path: '/flows' }]) {
      assert.equal(await status(path, { method, headers: LOGIN }), 401, `${method} ${path}`);
    }
  });

  it('lets no WebSocket in without the login, nor one of a page from elsewhere', async () => {
    const address = `${server.address.replace('http', 'ws')}/streamdiffusion/live`;
    const refusal = (options: object): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(address, options);
        socket.once('unexpected-response', (_request, response) => resolve(response.statusCode));
        socket.once('open', () => reject(new Error('it was let in')));
        socket.on('error', () => undefined);
      });
    assert.equal(await refusal({}), 401);
    assert.equal(await refusal({ headers: LOGIN, origin: 'http://elsewhere.example' }), 403);
    const own = new WebSocket(address, { headers: LOGIN, origin: server.address });
    await new Promise((resolve, reject) => own.once('open', resolve).once('error', reject));
    own.terminate();
  });

  it('leads nowhere outside of its addresses', async () => {
    for (const path of [
      '/streamdiffusion/..%2f..%2fetc%2fpasswd',
      '/streamdiffusion/%2e%2e/%2e%2e/package.json',
      '/streamdiffusion/live%00.jpg',
      '/streamdiffusion/live.jpg/../../flows.json',
      '/streamdiffusion/__proto__',
      '/streamdiffusion/constructor.jpg',
    ]) {
      const answer = await status(path, { headers: LOGIN });
      assert.ok(answer === 404 || answer === 400, `${path}: ${answer}`);
    }
  });

  it('goes on showing pictures under slow, endless and very many requests', async () => {
    const { port } = new URL(server.address);
    const viewer = readMjpeg(`${server.address}/streamdiffusion/live.mjpg`, LOGIN);
    await viewer.next();
    const open = (first: string, more?: string): void => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(first));
      socket.on('error', () => undefined);
      if (more) setInterval(() => socket.writable && socket.write(more), 300).unref();
      sockets.push(socket);
    };
    const auth = `Authorization: ${LOGIN.Authorization}`;
    for (let k = 0; k < 100; k++) open(`GET /streamdiffusion/live HTTP/1.1\r\nHost: x\r\nX-${k}: `, 'a');
    for (let k = 0; k < 20; k++)
      open(`POST /streamdiffusion/live HTTP/1.1\r\nHost: x\r\n${auth}\r\nContent-Length: 99999999999\r\n\r\n`, 'b'.repeat(10_000));
    for (let k = 0; k < 20; k++) open(`GET /${'c'.repeat(100_000)} HTTP/1.1\r\n`);
    const flood = Array.from({ length: 400 }, () => status('/streamdiffusion/live.jpg', { headers: LOGIN }));
    const seen = new Set<string>();
    for (let k = 0; k < 20; k++) seen.add((await viewer.next()).value?.jpeg.toString('base64') ?? '');
    assert.ok(seen.size >= 19, `${seen.size} pictures`);
    for (const answer of await Promise.all(flood)) assert.ok(answer === 200 || answer === 503, String(answer));
    await viewer.return();
    assert.equal(await status('/streamdiffusion/health', { headers: LOGIN }), 200);
  });

  it('ends a viewer that sends more than a word, and goes on under a flood of others', async () => {
    const address = `${server.address.replace('http', 'ws')}/streamdiffusion/live`;
    const enter = async (): Promise<WebSocket> => {
      const socket = new WebSocket(address, { headers: LOGIN });
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('open', resolve).once('unexpected-response', resolve).once('close', resolve));
      return socket;
    };
    const viewer = readMjpeg(`${server.address}/streamdiffusion/live.mjpg`, LOGIN);
    await viewer.next();
    const talker = await enter();
    talker.send(Buffer.alloc(2000));
    const [code] = (await once(talker, 'close')) as [number];
    assert.equal(code, 1009);
    const flood = await Promise.all(Array.from({ length: 300 }, enter));
    const inside = flood.filter(({ readyState }) => readyState === WebSocket.OPEN);
    assert.ok(inside.length > 0 && inside.length < 250, `${inside.length} of 300 were let in`);
    for (const socket of inside) for (let k = 0; k < 50; k++) socket.send('');
    const seen = new Set<string>();
    for (let k = 0; k < 10; k++) seen.add((await viewer.next()).value?.jpeg.toString('base64') ?? '');
    assert.ok(seen.size >= 9, `${seen.size} pictures`);
    for (const socket of flood) socket.terminate();
    await viewer.return();
  });

  it('says nothing secret, neither in its log nor to viewers', async () => {
    const health = await (await fetch(`${server.address}/streamdiffusion/health`, { headers: LOGIN })).text();
    for (const text of [server.output, health]) assert.ok(!text.includes(PASSWORD) && !text.includes('$2'), text);
    assert.ok(!health.includes('/'), health);
  });
});
