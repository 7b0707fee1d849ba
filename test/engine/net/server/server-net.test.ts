import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../../../../engine/errors';
import { toFloat16 } from '../../../../engine/net/float16';
import type { Net, Tensor } from '../../../../engine/net/net';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import type { ServerAccess } from '../../../../engine/net/server/options';
import { ServerNet } from '../../../../engine/net/server/server-net';
import { type AnswerHeader, type Fault, InferenceServer } from '../../../lib/inference-server';
import { tinyUnet } from '../../../lib/onnx-maker';
import { PATIENCE } from '../../../lib/until';

const fingerprint = (): Promise<string> => Promise.resolve('right');

function feeds(rows: number, type: 'float32' | 'float16' = 'float32'): Record<string, Tensor> {
  const tensor = (length: number, dims: number[]): Tensor => {
    const values = Float32Array.from({ length }, (_, i) => Math.sin(i * 0.7 + rows));
    return { type, data: type === 'float16' ? toFloat16(values) : values, dims };
  };
  return {
    sample: tensor(rows * 4 * 6 * 5, [rows, 4, 6, 5]),
    timestep: { type: 'int64', data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(3 - i)), dims: [rows] },
    encoder_hidden_states: tensor(rows * 7 * 32, [rows, 7, 32]),
  };
}

/** Does it again while this machine is too busy for its short deadline. */
async function inTime<T>(work: () => Promise<T>): Promise<T> {
  for (const end = performance.now() + PATIENCE; ; ) {
    try {
      return await work();
    } catch (thrown) {
      if (!(thrown instanceof EngineError && thrown.code === 'ETIMEOUT') || performance.now() > end) throw thrown;
    }
  }
}

/** The code of the error, after a check that its message says what is the matter. */
async function failure(run: Promise<unknown>, says: RegExp): Promise<string> {
  const thrown: unknown = await run.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof EngineError, String(thrown));
  assert.match(thrown.message, says);
  return thrown.code;
}

for (const protocol of ['http', 'grpc'] as const)
  describe(`a net on an inference server, over ${protocol}`, () => {
    let local: OnnxNet;
    let half: OnnxNet;
    let server: InferenceServer;
    const opened: ServerNet[] = [];
    const servers: InferenceServer[] = [];

    const start = async (port?: number): Promise<InferenceServer> => {
      const started = await InferenceServer.start({ tiny: { net: local }, half: { net: half } }, { port, protocol });
      servers.push(started);
      return started;
    };
    const open = async (
      settings: Partial<ServerAccess> = {},
      model = 'tiny',
      expected: Net = model === 'half' ? half : local,
    ): Promise<ServerNet> => {
      const net = await ServerNet.open(
        model,
        { inputs: expected.inputs, outputs: expected.outputs, fingerprint },
        { addresses: [server.address], ...settings },
      );
      opened.push(net);
      return net;
    };

    before(async () => {
      local = await OnnxNet.load(tinyUnet(), { executionProvider: 'cpu' });
      half = await OnnxNet.load(tinyUnet({ type: 'float16' }), { executionProvider: 'cpu' });
    });
    beforeEach(async () => {
      server = await start();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((net) => net.close()));
      await Promise.all(servers.splice(0).map((one) => one.stop().catch(() => undefined)));
    });
    after(() => Promise.all([local.close(), half.close()]));

    it('is what the net is here, in float32 and float16, over one connection', async () => {
      for (const [model, here, type] of [
        ['tiny', local, 'float32'],
        ['half', half, 'float16'],
      ] as const) {
        const net = await open({}, model);
        assert.deepEqual(net.inputs, here.inputs);
        assert.deepEqual(net.outputs, here.outputs);
        for (const rows of [1, 3, 2]) assert.deepEqual(await net.run(feeds(rows, type)), await here.run(feeds(rows, type)));
      }
      assert.equal(server.connections, 2);
    });

    it('more rows than the server takes go in several runs beside each other', async () => {
      server.models.set('tiny', { net: local, maxRows: 2 });
      const net = await open();
      server.fault = { together: 3 };
      assert.deepEqual(await net.run(feeds(5)), await local.run(feeds(5)));
      assert.deepEqual([...server.runs].sort(), [1, 2, 2]);
      assert.equal(server.mostBusy, 3);
    });

    it('takes the types and sizes of a server that computes in half precision at one size', async () => {
      const fixed = await OnnxNet.load(tinyUnet({ type: 'float16', sampleShape: [2, 4, 6, 5], batch: 2 }), { executionProvider: 'cpu' });
      server.models.set('plan', { net: fixed });
      const net = await open({}, 'plan', local);
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

    describe('refuses a server with another model', () => {
      const shapes: [string, Parameters<typeof tinyUnet>[0], RegExp][] = [
        ['other channels', { sampleShape: ['batch', 8, 'height', 'width'] }, /"sample" is \[\?, 8, \?, \?\], not \[\?, 4, \?, \?\]/],
        ['another rank', { timestepShape: ['batch', 2] }, /"timestep"/],
        ['another kind of number', { timestepType: 'float32' }, /"timestep" is FP32, not int64/],
        ['an input more', { extraInputs: { text_embeds: 8 } }, /wants an input "text_embeds"/],
        ['another output', { outputName: 'noise' }, /no output "out_sample"/],
      ];
      for (const [what, shape, says] of shapes) {
        it(what, async () => {
          const other = await OnnxNet.load(tinyUnet(shape), { executionProvider: 'cpu' });
          server.models.set('tiny', { net: other });
          assert.equal(await failure(open(), says), 'EBADMODEL');
          await other.close();
        });
      }

      it('other weights', async () => {
        server.models.set('tiny', { net: local, fingerprint: 'wrong' });
        assert.equal(await failure(open(), /weights are others/), 'EBADMODEL');
        server.models.set('tiny', { net: local, fingerprint: 'right' });
        await open();
      });

      it('rounded in another way than it would be here', async () => {
        const { inputs, outputs } = local;
        const rounded = (settings: Partial<ServerAccess> = {}): Promise<ServerNet> =>
          ServerNet.open(
            'tiny',
            { inputs, outputs, fingerprint, int8Fingerprints: () => Promise.resolve(['right-int8-a', 'right-int8-7bit-a']) },
            { addresses: [server.address], ...settings },
          );
        server.models.set('tiny', { net: local, fingerprint: 'right-int8-b' });
        assert.equal(await failure(rounded(), /another int8\.json/), 'EBADMODEL');
        assert.equal(await failure(open(), /another int8\.json/), 'EBADMODEL', 'there is none here');
        server.models.set('tiny', { net: local, fingerprint: 'right-int8-a' });
        opened.push(await rounded());
        assert.ok(opened[0].int8);
        server.models.set('tiny', { net: local, fingerprint: 'right-int8-7bit-a' });
        assert.ok((await rounded()).int8);
        server.models.set('tiny', { net: local, fingerprint: 'right-int8-a' });
        const other = await start();
        other.models.set('tiny', { net: local, fingerprint: 'right' });
        opened.push(await rounded({ addresses: [server.address, other.address] }));
        assert.match(opened[1].warnings.join(), /Some addresses have "tiny" in int8/);
      });

      it('none of this name', async () => {
        assert.equal(await failure(open({}, 'large'), /unknown model: 'large'/), 'ENETWORK');
      });
    });

    describe('never takes a wrong answer for a right one', () => {
      const header =
        (change: (header: AnswerHeader) => void): Fault['header'] =>
        (right) => {
          change(right);
          return right;
        };
      const faults: [string, Fault, string, RegExp][] = [
        ['half an answer', { cutAfter: 300 }, 'ENETWORK', /broke off|incomplete/],
        ['an answer that ends early', { missingBytes: 16 }, 'ENETWORK', /ends after the end|944 bytes/],
        ['an answer without its end', { cutAfter: 20 }, 'ENETWORK', /broke off|incomplete/],
        ['fewer rows', { header: header(({ outputs: [output] }) => (output.shape = [1, 8, 6, 5])) }, 'ENETWORK', /FP32 \[1, 8, 6, 5\]/],
        ['another type', { header: header(({ outputs: [output] }) => (output.datatype = 'FP16')) }, 'ENETWORK', /FP16/],
        ['another length', { header: header(({ outputs: [output] }) => (output.shape = [2, 4, 6, 6])) }, 'ENETWORK', /960 bytes/],
        ['another output', { header: header(({ outputs: [output] }) => (output.name = 'other')) }, 'ENETWORK', /no output "out_sample"/],
        ['no outputs', { header: () => ({ model_name: 'tiny' }) }, 'ENETWORK', /without outputs/],
        ["another run's answer", { header: header((answer) => (answer.id = 'other')) }, 'ENETWORK', /another run/],
        ['no JSON', { text: '<html>gateway</html>' }, 'ENETWORK', /no JSON|without name/],
        ['401', { status: 401, reason: 'who are you' }, 'EDENIED', /who are you.*token/],
        ['500', { status: 500 }, 'ENETWORK', /failed \((500|INTERNAL)\)/],
        ['503', { status: 503, reason: 'model is unavailable' }, 'ENETWORK', /unavailable/],
        ['refusal', { status: 400, reason: 'unexpected shape' }, 'EBADMODEL', /unexpected shape/],
      ];
      for (const [what, fault, code, says] of faults) {
        it(`${what}: ${code}, and the next run is right`, async () => {
          const net = await open();
          const expected = await local.run(feeds(2));
          server.fault = { ...fault, times: 1 };
          assert.equal(await failure(net.run(feeds(2)), says), code);
          assert.deepEqual(await net.run(feeds(2)), expected);
        });
      }

      it("slow: ETIMEOUT at the deadline, and the answer that comes late is nobody's", async () => {
        const net = await inTime(() => open({ timeoutMs: 150 }));
        await net.run(feeds(2));
        server.fault = { delayMs: 5000, times: 1 };
        assert.equal(await failure(net.run(feeds(2)), /within 0.15 s/), 'ETIMEOUT');
        assert.equal(server.busy, 1, 'it is given up while the server computes');
        assert.deepEqual(await inTime(() => net.run(feeds(2))), await local.run(feeds(2)));
      });

      it('the first run of a shape may take longer: servers compile', async () => {
        const net = await inTime(() => open({ timeoutMs: 100 }));
        server.fault = { delayMs: 400, times: 1 };
        assert.deepEqual(await net.run(feeds(2)), await local.run(feeds(2)));
      });
    });

    it('a server killed and started again: says so, then goes on', async () => {
      const net = await open();
      await net.run(feeds(2));
      await server.stop();
      assert.equal(await failure(net.run(feeds(2)), /cannot be reached/), 'ENETWORK');
      await start(server.port);
      assert.deepEqual(await net.run(feeds(2)), await local.run(feeds(2)));
    });

    it('a server that comes back with another model is not used', async () => {
      const net = await open();
      await net.run(feeds(2));
      await server.stop();
      const back = await start(server.port);
      back.models.set('tiny', { net: local, fingerprint: 'wrong' });
      assert.equal(await failure(net.run(feeds(2)), /weights are others/), 'EBADMODEL');
      assert.deepEqual(back.runs, [], 'nothing was computed there');
      back.models.set('tiny', { net: local, fingerprint: 'right' });
      assert.deepEqual(await net.run(feeds(2)), await local.run(feeds(2)));
    });

    it('a server that loads another version of the model is compared again before its answers are used', async () => {
      const net = await open();
      await net.run(feeds(2));
      server.models.set('tiny', { net: local, fingerprint: 'right', version: '2' });
      assert.deepEqual(await net.run(feeds(2)), await local.run(feeds(2)));
      server.models.set('tiny', { net: local, fingerprint: 'wrong', version: '3' });
      assert.equal(await failure(net.run(feeds(2)), /weights are others/), 'EBADMODEL');
    });

    describe('several addresses', () => {
      it('a run that fails on one is computed by another; one that is away is said and not waited for', async () => {
        const other = await start();
        const net = await open({ addresses: [server.address, other.address, `${protocol}://127.0.0.1:1`] });
        assert.match(net.warnings.join(), /127\.0\.0\.1:1 cannot be reached/);
        await net.run(feeds(2));
        await server.stop();
        for (let k = 0; k < 5; k++) assert.deepEqual(await net.run(feeds(2)), await local.run(feeds(2)));
        assert.equal(server.runs.length + other.runs.length, 6);
        const back = await start(server.port);
        await other.stop();
        assert.deepEqual(await net.run(feeds(2)), await local.run(feeds(2)));
        assert.equal(back.runs.length, 1);
      });

      it('runs at the same time are shared out', async () => {
        const other = await start();
        const net = await open({ addresses: [server.address, other.address] });
        assert.equal(net.place.instances, 2);
        for (const one of [server, other]) one.fault = { together: 2 };
        await Promise.all([1, 2, 3, 4].map(() => net.run(feeds(1))));
        assert.deepEqual([server.runs.length, other.runs.length], [2, 2]);
      });

      it('all away: one error names each', async () => {
        assert.equal(
          await failure(open({ addresses: [`${protocol}://127.0.0.1:1`, `${protocol}://127.0.0.1:2`] }), /127\.0\.0\.1:1/),
          'ENETWORK',
        );
        const other = await start();
        const net = await open({ addresses: [server.address, other.address] });
        await Promise.all([server.stop(), other.stop()]);
        assert.equal(
          await failure(net.run(feeds(1)), new RegExp(`${server.port}.*${other.port}|${other.port}.*${server.port}`)),
          'ENETWORK',
        );
      });
    });

    it('brings a bearer token, or a user and a password', async () => {
      server.authorization = 'Bearer s3cret';
      assert.equal(await failure(open(), /refuses access \((401|UNAUTHENTICATED)\)/), 'EDENIED');
      await (await open({ token: 's3cret' })).run(feeds(1));
      server.authorization = `Basic ${Buffer.from('ann:pass word').toString('base64')}`;
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
      const secure = await InferenceServer.start({ tiny: { net: local } }, { protocol, tls });
      servers.push(secure);
      assert.equal(await failure(open({ addresses: [secure.address] }), /certificate/), 'ENETWORK');
      const net = await open({ addresses: [secure.address], ca: certFile });
      assert.deepEqual(await net.run(feeds(2)), await local.run(feeds(2)));
      rmSync(folder, { recursive: true });
    });

    it('after it was closed: ECLOSED; what was under way ends', async () => {
      const net = await open();
      server.fault = { delayMs: 100 };
      const run = net.run(feeds(1));
      await new Promise((resolve) => setTimeout(resolve, 30));
      await net.close();
      assert.deepEqual(await run, await local.run(feeds(1)));
      assert.equal(await failure(net.run(feeds(1)), /closed/), 'ECLOSED');
    });
  });
