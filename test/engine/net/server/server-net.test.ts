import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { tinyUnet } from '../../../lib/onnx-maker';
import { failure, feeds, setServedNets } from '../../../lib/served-nets';

for (const protocol of ['http', 'grpc'] as const)
  describe(`a net on an inference server, over ${protocol}`, () => {
    const served = setServedNets(protocol);
    const { open, start } = served;

    it('is what the net is here, in float32 and float16, over one connection', async () => {
      for (const [model, here, type] of [
        ['tiny', served.local, 'float32'],
        ['half', served.half, 'float16'],
      ] as const) {
        const net = await open({}, model);
        assert.deepEqual(net.inputs, here.inputs);
        assert.deepEqual(net.outputs, here.outputs);
        for (const rows of [1, 3, 2]) assert.deepEqual(await net.run(feeds(rows, type)), await here.run(feeds(rows, type)));
      }
      assert.equal(served.server.connections, 2);
    });

    it('more rows than the server takes go in several runs beside each other', async () => {
      served.server.models.set('tiny', { net: served.local, maxRows: 2 });
      const net = await open();
      served.server.fault = { together: 3 };
      assert.deepEqual(await net.run(feeds(5)), await served.local.run(feeds(5)));
      assert.deepEqual([...served.server.runs].sort(), [1, 2, 2]);
      assert.equal(served.server.mostBusy, 3);
    });

    it('takes the types and sizes of a server that computes in half precision at one size', async () => {
      const fixed = await OnnxNet.load(tinyUnet({ type: 'float16', sampleShape: [2, 4, 6, 5], batch: 2 }), { executionProvider: 'cpu' });
      served.server.models.set('plan', { net: fixed });
      const net = await open({}, 'plan', served.local);
      assert.deepEqual(
        net.inputs.map(({ type, shape }) => [type, shape]),
        [
          ['float16', [2, 4, 6, 5]],
          ['int64', [2]],
          ['float16', [2, 'tokens', 32]],
        ],
      );
      assert.deepEqual(await net.run(feeds(2, 'float16')), await fixed.run(feeds(2, 'float16')));
      await fixed.close();
    });

    it('a server killed and started again: says so, then goes on', async () => {
      const net = await open();
      await net.run(feeds(2));
      await served.server.stop();
      assert.equal(await failure(net.run(feeds(2)), /cannot be reached/), 'ENETWORK');
      await start({ port: served.server.port });
      assert.deepEqual(await net.run(feeds(2)), await served.local.run(feeds(2)));
    });

    it('a server that comes back with another model is not used', async () => {
      const net = await open();
      await net.run(feeds(2));
      await served.server.stop();
      const back = await start({ port: served.server.port });
      back.models.set('tiny', { net: served.local, fingerprint: 'wrong' });
      assert.equal(await failure(net.run(feeds(2)), /weights are others/), 'EBADMODEL');
      assert.deepEqual(back.runs, [], 'nothing was computed there');
      back.models.set('tiny', { net: served.local, fingerprint: 'right' });
      assert.deepEqual(await net.run(feeds(2)), await served.local.run(feeds(2)));
    });

    it('a server that loads another version of the model is compared again before its answers are used', async () => {
      const net = await open();
      await net.run(feeds(2));
      served.server.models.set('tiny', { net: served.local, fingerprint: 'right', version: '2' });
      assert.deepEqual(await net.run(feeds(2)), await served.local.run(feeds(2)));
      served.server.models.set('tiny', { net: served.local, fingerprint: 'wrong', version: '3' });
      assert.equal(await failure(net.run(feeds(2)), /weights are others/), 'EBADMODEL');
    });

    describe('several addresses', () => {
      it('a run that fails on one is computed by another; one that is away is said and not waited for', async () => {
        const other = await start();
        const net = await open({ addresses: [served.server.address, other.address, `${protocol}://127.0.0.1:1`] });
        assert.match(net.warnings.join(), /127\.0\.0\.1:1 cannot be reached/);
        await net.run(feeds(2));
        await served.server.stop();
        for (let k = 0; k < 5; k++) assert.deepEqual(await net.run(feeds(2)), await served.local.run(feeds(2)));
        assert.equal(served.server.runs.length + other.runs.length, 6);
        const back = await start({ port: served.server.port });
        await other.stop();
        assert.deepEqual(await net.run(feeds(2)), await served.local.run(feeds(2)));
        assert.equal(back.runs.length, 1);
      });

      it('runs at the same time are shared out', async () => {
        const other = await start();
        const net = await open({ addresses: [served.server.address, other.address] });
        assert.equal(net.place.instances, 2);
        for (const one of [served.server, other]) one.fault = { together: 2 };
        await Promise.all([1, 2, 3, 4].map(() => net.run(feeds(1))));
        assert.deepEqual([served.server.runs.length, other.runs.length], [2, 2]);
      });

      it('all away: one error names each', async () => {
        assert.equal(
          await failure(open({ addresses: [`${protocol}://127.0.0.1:1`, `${protocol}://127.0.0.1:2`] }), /127\.0\.0\.1:1/),
          'ENETWORK',
        );
        const other = await start();
        const net = await open({ addresses: [served.server.address, other.address] });
        await Promise.all([served.server.stop(), other.stop()]);
        assert.equal(
          await failure(net.run(feeds(1)), new RegExp(`${served.server.port}.*${other.port}|${other.port}.*${served.server.port}`)),
          'ENETWORK',
        );
      });
    });

    it('brings a bearer token, or a user and a password', async () => {
      served.server.authorization = 'Bearer s3cret';
      assert.equal(await failure(open(), /refuses access \((401|UNAUTHENTICATED)\)/), 'EDENIED');
      await (await open({ token: 's3cret' })).run(feeds(1));
      served.server.authorization = `Basic ${Buffer.from('ann:pass word').toString('base64')}`;
      await (await open({ user: 'ann', password: 'pass word' })).run(feeds(1));
    });

    it('speaks TLS, to a server whose certificate can be trusted', async function () {
      const folder = mkdtempSync(join(tmpdir(), 'tls-'));
      const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
      try {
        const request = [
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-days',
          '2',
          '-subj',
          '/CN=127.0.0.1',
          '-addext',
          'subjectAltName=IP:127.0.0.1',
        ];
        execFileSync('openssl', [...request, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
      } catch {
        console.log('    skipped: openssl is not there');
        this.skip();
      }
      const tls = { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
      const secure = await start({ tls });
      assert.equal(await failure(open({ addresses: [secure.address] }), /certificate/), 'ENETWORK');
      const net = await open({ addresses: [secure.address], ca: certFile });
      assert.deepEqual(await net.run(feeds(2)), await served.local.run(feeds(2)));
      rmSync(folder, { recursive: true });
    });

    it('after it was closed: ECLOSED; what was under way ends', async () => {
      const net = await open();
      served.server.fault = { delayMs: 100 };
      const run = net.run(feeds(1));
      await new Promise((resolve) => setTimeout(resolve, 30));
      await net.close();
      assert.deepEqual(await run, await served.local.run(feeds(1)));
      assert.equal(await failure(net.run(feeds(1)), /closed/), 'ECLOSED');
    });
  });
