import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ROOT } from '../lib/reference';

type Weaknesses = Record<string, { severity: string; vulnerable_versions: string }>;

/** What a registry knows, or the status with which it answers instead; and versions of packages, the newest last. */
async function registry(known: Weaknesses | number, versions: Record<string, string[]>): Promise<Server> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (typeof known === 'number') return void response.writeHead(known).end();
    response.setHeader('content-type', 'application/json');
    const name = decodeURIComponent(request.url?.slice(1) ?? '');
    if (request.method === 'GET' && name in versions) {
      const entries = versions[name].map((version) => [version, { name, version, dist: {} }]);
      return void response.end(
        JSON.stringify({ name, 'dist-tags': { latest: versions[name].at(-1) }, versions: Object.fromEntries(entries) }),
      );
    }
    if (request.method !== 'POST') return void response.writeHead(404).end('{}');
    const body = Buffer.concat(chunks);
    const asked = JSON.parse(String(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body)) as Record<string, string[]>;
    const found = Object.entries(known).filter(([name]) => name in asked);
    response.end(
      JSON.stringify(
        Object.fromEntries(
          found.map(([name, weakness], id) => [
            name,
            [{ id, url: 'http://x', title: 'weak', cwe: [], cvss: { score: 0, vectorString: null }, ...weakness }],
          ]),
        ),
      ),
    );
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return server;
}

/** What `npm run audit` says, and how it ends, where the registry is as given. */
async function audit(known: Weaknesses | number, versions: Record<string, string[]> = {}): Promise<{ code: number; said: string }> {
  const server = await registry(known, versions);
  const cache = await mkdtemp(join(tmpdir(), 'audit-cache-'));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const env = { ...process.env, npm_config_registry: address, npm_config_fetch_retries: '0', npm_config_cache: cache };
  const result = await new Promise<{ code: number; said: string }>((resolve) => {
    execFile(process.execPath, ['scripts/audit.mjs'], { cwd: ROOT, env }, (error, said) =>
      resolve({ code: Number(error?.code ?? 0), said }),
    );
  });
  await rm(cache, { recursive: true, force: true });
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  return result;
}

const MINIMIST = { minimist: { severity: 'critical', vulnerable_versions: '<1.2.6' } };

describe(`the audit of dependencies (${join('scripts', 'audit.mjs')})`, () => {
  it('fails for a grave weakness, and names it', async () => {
    const { code, said } = await audit({ ...MINIMIST, ws: { severity: 'high', vulnerable_versions: '*' } });
    assert.equal(code, 1);
    assert.match(said, /ws has a known weakness, high\naudit: 1 weaknesses in run-time dependencies, 1 of them grave/);
  });

  it('tells the others, and does not fail', async () => {
    const { code, said } = await audit({ ...MINIMIST, sharp: { severity: 'moderate', vulnerable_versions: '*' } });
    assert.equal(code, 0);
    assert.match(said, /sharp has a known weakness, moderate\naudit: 1 weaknesses in run-time dependencies, 0 of them grave/);
  });

  it('says what it found where there is nothing, unless the registry finds nothing anywhere', async () => {
    assert.deepEqual(await audit(MINIMIST), { code: 0, said: 'audit: 0 weaknesses in run-time dependencies, 0 of them grave\n' });
    const { code, said } = await audit({});
    assert.equal(code, 0);
    assert.match(said, /nothing was checked, the registry knows no weakness of minimist/);
  });

  it('tells what has become older than its range allows, and does not fail', async () => {
    const { code, said } = await audit(MINIMIST, {
      ws: ['8.23.0', '99.0.0'],
      '@grpc/grpc-js': ['1.14.7'],
      '@types/node': ['20.19.0', '99.0.0'],
    });
    assert.equal(code, 0);
    assert.match(said, /^audit: ws 99\.0\.0 is newer than the range in package\.json$/m);
    assert.doesNotMatch(said, /grpc-js|types/, 'nor what it is only built with');
  });

  it('does not fail where there is no such service', async () => {
    const { code, said } = await audit(405);
    assert.equal(code, 0);
    assert.match(said, /nothing was checked, the registry does not answer: .*405/);
  });
});
