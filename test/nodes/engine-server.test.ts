import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import type { NodeAPI } from 'node-red';
import { findFiles } from '../../engine/model/files';
import { fingerprintOf } from '../../engine/model/fingerprint';
import { OnnxNet } from '../../engine/net/ort/onnx-net';
import { checkServerOf, type ServerAnswer } from '../../nodes/lib/engine/server-check';
import { readServerFields, type ServerFields } from '../../nodes/lib/engine/server-fields';
import { InferenceServer } from '../lib/inference-server';
import { ServerMemory } from '../lib/inference-server-memory';
import { REFERENCE_MODEL } from '../lib/reference';

describe('engine: nets on a server', () => {
  const fields = { runOn: 'server' as const, serverAddresses: 'http://gpu-1, grpc://gpu-2:9001' };

  it('are read from the dialog', () => {
    assert.equal(readServerFields({}, {}), undefined);
    assert.equal(readServerFields({ ...fields, runOn: 'here' }, {}), undefined);
    assert.deepEqual(readServerFields(fields, {}), { addresses: ['http://gpu-1', 'grpc://gpu-2:9001'], nets: ['unet'] });
    const all = { ...fields, serverNets: 'unet, vae_decoder,text_encoder', serverPrefix: ' hall ', serverTimeout: '2.5' };
    assert.deepEqual(readServerFields({ ...all, serverLogin: 'token' }, { serverToken: 't', serverUser: 'unused' }), {
      addresses: ['http://gpu-1', 'grpc://gpu-2:9001'],
      nets: ['text_encoder', 'text_encoder_2', 'unet', 'vae_decoder'],
      prefix: 'hall',
      timeoutMs: 2500,
      token: 't',
    });
    const basic = readServerFields({ ...fields, serverLogin: 'basic' }, { serverUser: 'ann', serverPassword: 'p' });
    assert.deepEqual([basic?.user, basic?.password, basic?.token], ['ann', 'p', undefined]);
  });

  it('are refused when they cannot work, in a sentence', () => {
    const wrong: [object, object, RegExp][] = [
      [{ serverAddresses: ' ' }, {}, /no address/],
      [{ serverAddresses: 'ftp://x' }, {}, /"ftp:\/\/x" is not an address/],
      [{ serverNets: 'vae' }, {}, /"vae" is not a net/],
      [{ serverNets: ' ' }, {}, /no net is chosen/],
      [{ serverLogin: 'token' }, {}, /needs a token/],
      [{ serverLogin: 'basic' }, { serverPassword: 'p' }, /needs a user/],
      [{ serverLogin: 'key' }, {}, /serverLogin must be one of/],
      [{ serverTimeout: '0' }, {}, /serverTimeout must be/],
      [{ runOn: 'moon' }, {}, /runOn must be one of/],
    ];
    for (const [change, credentials, message] of wrong) {
      assert.throws(() => readServerFields({ ...fields, ...change }, credentials), { code: 'EBADPARAM', message }, JSON.stringify(change));
    }
  });

  describe('are checked from the dialog', () => {
    let inference: InferenceServer;
    let net: OnnxNet;
    let server: Server;
    let address: string;
    const saved = {
      type: 'streamdiffusion-engine',
      credentials: { serverToken: 's3cret', serverUser: 'ann', serverPassword: 's3cret too' },
      deployed: {} as ServerFields,
    };

    before(async () => {
      const path = (await findFiles(REFERENCE_MODEL)).nets.unet!.path;
      net = await OnnxNet.load(path, { executionProvider: 'cpu' });
      inference = await InferenceServer.start({ model_unet: { net, fingerprint: await fingerprintOf(path) } });
      const RED = {
        nodes: { getNode: (id: string) => (id === 'engine' ? saved : null) },
        util: { evaluateNodeProperty: (name: string) => process.env[name] ?? '' },
        _: (key: string, values?: object) => `${key} ${JSON.stringify(values)}`,
      };
      const app = express()
        .use(express.json())
        .post('/', checkServerOf(RED as unknown as NodeAPI));
      server = app.listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(async () => {
      server.close();
      await inference.stop();
      await net.close();
    });

    const check = async (asked: object): Promise<ServerAnswer> => {
      const body = JSON.stringify({ model: REFERENCE_MODEL, modelType: 'str', serverAddresses: inference.address, ...asked });
      return (await (
        await fetch(address, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      ).json()) as ServerAnswer;
    };

    it('and found right, with addresses that are away named', async () => {
      const {
        usable: isUsable,
        lines: [net, way, ...others],
      } = await check({});
      assert.deepEqual([isUsable, net, others], [true, 'server.right {"name":"model_unet","count":1}', []]);
      assert.match(way, /server\.sent .*does not have the extension/);
      const { usable, lines } = await check({ serverAddresses: `${inference.address} http://127.0.0.1:1` });
      assert.ok(usable);
      assert.match(lines[1], /127\.0\.0\.1:1 cannot be reached.*other addresses are used/);
    });

    it('with the way that tensors take to a server on this machine', async function () {
      if (!existsSync('/dev/shm')) {
        console.log('      skipped: no /dev/shm here');
        return this.skip();
      }
      inference.memory = new ServerMemory();
      assert.deepEqual((await check({})).lines.slice(1), [`server.memory {"where":"${inference.address}"}`]);
      assert.deepEqual(inference.memory.regions, [], 'nothing is left there');
      inference.memory.folder = '/nowhere';
      assert.match((await check({})).lines[1], /server\.sent .*Unable to open shared memory region/);
      inference.memory = undefined;
    });

    it('or wrong, net by net', async () => {
      const { usable, lines } = await check({ serverNets: 'unet, vae_decoder' });
      assert.equal(usable, false);
      assert.match(lines.join('\n'), /server\.right .*model_unet[\s\S]*server\.wrong .*model_vae_decoder.*unknown model/);
      assert.match((await check({ serverPrefix: 'hall' })).lines[0], /hall_unet/);
      assert.match((await check({ serverAddresses: 'http://h/?x' })).lines[0], /http:\/\/h/);
      assert.match((await check({ model: '/nowhere' })).lines[0], /no model folder/);
      assert.match((await check({ serverNets: 7 })).lines[0], /serverNets must be a text/);
    });

    it('with the saved login of the node, or what was typed', async () => {
      inference.authorization = 'Bearer s3cret';
      assert.match((await check({ serverLogin: 'token', serverToken: 'guess', id: 'engine' })).lines[0], /refuses access/);
      saved.deployed = { runOn: 'server', serverAddresses: `http://gpu-9, ${inference.address}` };
      assert.equal((await check({ serverLogin: 'token', id: 'engine' })).usable, true);
      assert.match((await check({ serverLogin: 'token', id: 'other' })).lines[0], /needs a token/);
      inference.authorization = undefined;
    });

    it('without sending what is saved to an address that is not deployed, or under other certificates', async () => {
      const seen: string[] = [];
      const thief = createServer((request, response) => {
        seen.push(request.headers.authorization ?? '');
        response.end('{}');
      }).listen(0, '127.0.0.1');
      await new Promise((resolve) => thief.once('listening', resolve));
      const elsewhere = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`;
      saved.deployed = { runOn: 'server', serverAddresses: inference.address };
      const asked: object[] = [
        { serverLogin: 'token', serverAddresses: elsewhere },
        { serverLogin: 'token', serverAddresses: `${inference.address} ${elsewhere}` },
        { serverLogin: 'basic', serverAddresses: elsewhere },
        // One half of it typed does not bring the other half.
        { serverLogin: 'basic', serverUser: 'ann', serverAddresses: elsewhere },
        { serverLogin: 'token', serverAddresses: inference.address, serverCa: '/etc/hostname' },
      ];
      for (const each of asked)
        assert.match(
          (await check({ ...each, id: 'engine' })).lines[0],
          /only sent to the addresses that are deployed/,
          JSON.stringify(each),
        );
      saved.deployed = { runOn: 'here', serverAddresses: elsewhere };
      assert.match((await check({ serverLogin: 'token', serverAddresses: elsewhere, id: 'engine' })).lines[0], /only sent/);
      await check({ serverLogin: 'none', serverAddresses: elsewhere, id: 'engine' });
      await check({ serverLogin: 'token', serverToken: 'typed', serverAddresses: elsewhere, id: 'engine' });
      assert.ok(seen.length > 0 && seen.every((header) => header === '' || header === 'Bearer typed'), seen.join());
      thief.closeAllConnections();
      thief.close();
    });

    it('without the value of an environment variable, whatever it holds', async () => {
      process.env.SD_SECRET = 'hunter2';
      process.env.SD_FOLDER = REFERENCE_MODEL;
      try {
        const secret = await check({ model: 'SD_SECRET', modelType: 'env' });
        assert.match(secret.lines.join(), /SD_SECRET is set, but does not name a folder/);
        assert.ok(!JSON.stringify(secret).includes('hunter2'));
        assert.match((await check({ model: 'SD_UNSET', modelType: 'env' })).lines.join(), /SD_UNSET is not set/);
        const folder = await check({ model: 'SD_FOLDER', modelType: 'env', serverPrefix: 'model' });
        assert.ok(folder.usable && !JSON.stringify(folder).includes(REFERENCE_MODEL), folder.lines.join());
      } finally {
        delete process.env.SD_SECRET;
        delete process.env.SD_FOLDER;
      }
    });

    it('with certificates out of a file, and no wait for what is none', async function () {
      if (process.platform === 'win32') return this.skip();
      const pipe = join(await mkdtemp(join(tmpdir(), 'pipe-')), 'pipe');
      execFileSync('mkfifo', [pipe]);
      const started = performance.now();
      assert.match((await check({ serverCa: pipe })).lines[0], /certificates cannot be read.*not a regular file/);
      assert.match((await check({ serverCa: '/nowhere.pem' })).lines[0], /certificates cannot be read/);
      assert.ok(performance.now() - started < 20_000);
      await rm(join(pipe, '..'), { recursive: true });
    });

    it('only when they are asked as JSON', async () => {
      assert.equal((await fetch(address, { method: 'POST', body: 'serverAddresses=http://x' })).status, 415);
    });
  });
});
