import assert from 'node:assert/strict';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import type { ServerAccess } from '../../../../engine/net/server/options';
import { ServerNet } from '../../../../engine/net/server/server-net';
import type { AnswerHeader, Fault } from '../../../lib/inference-server';
import { tinyUnet } from '../../../lib/onnx-maker';
import { failure, feeds, fingerprint, inTime, setServedNets } from '../../../lib/served-nets';

for (const protocol of ['http', 'grpc'] as const)
  describe(`a net on an inference server, over ${protocol}`, () => {
    const served = setServedNets(protocol);
    const { open, opened, start } = served;

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
          served.server.models.set('tiny', { net: other });
          assert.equal(await failure(open(), says), 'EBADMODEL');
          await other.close();
        });
      }

      it('other weights', async () => {
        served.server.models.set('tiny', { net: served.local, fingerprint: 'wrong' });
        assert.equal(await failure(open(), /weights are others/), 'EBADMODEL');
        served.server.models.set('tiny', { net: served.local, fingerprint: 'right' });
        await open();
      });

      it('rounded in another way than it would be here', async () => {
        const { inputs, outputs } = served.local;
        const rounded = (settings: Partial<ServerAccess> = {}): Promise<ServerNet> =>
          ServerNet.open(
            'tiny',
            { inputs, outputs, fingerprint, int8Fingerprints: () => Promise.resolve(['right-int8-a', 'right-int8-7bit-a']) },
            { addresses: [served.server.address], ...settings },
          );
        served.server.models.set('tiny', { net: served.local, fingerprint: 'right-int8-b' });
        assert.equal(await failure(rounded(), /another int8\.json/), 'EBADMODEL');
        assert.equal(await failure(open(), /another int8\.json/), 'EBADMODEL', 'there is none here');
        served.server.models.set('tiny', { net: served.local, fingerprint: 'right-int8-a' });
        opened.push(await rounded());
        assert.ok(opened[0].int8);
        served.server.models.set('tiny', { net: served.local, fingerprint: 'right-int8-7bit-a' });
        assert.ok((await rounded()).int8);
        served.server.models.set('tiny', { net: served.local, fingerprint: 'right-int8-a' });
        const other = await start();
        other.models.set('tiny', { net: served.local, fingerprint: 'right' });
        opened.push(await rounded({ addresses: [served.server.address, other.address] }));
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
          const expected = await served.local.run(feeds(2));
          served.server.fault = { ...fault, times: 1 };
          assert.equal(await failure(net.run(feeds(2)), says), code);
          assert.deepEqual(await net.run(feeds(2)), expected);
        });
      }

      it("slow: ETIMEOUT at the deadline, and the answer that comes late is nobody's", async () => {
        const net = await inTime(() => open({ timeoutMs: 150 }));
        await net.run(feeds(2));
        served.server.fault = { delayMs: 5000, times: 1 };
        assert.equal(await failure(net.run(feeds(2)), /within 0.15 s/), 'ETIMEOUT');
        assert.equal(served.server.busy, 1, 'it is given up while the server computes');
        assert.deepEqual(await inTime(() => net.run(feeds(2))), await served.local.run(feeds(2)));
      });

      it('the first run of a shape may take longer: servers compile', async () => {
        const net = await inTime(() => open({ timeoutMs: 100 }));
        served.server.fault = { delayMs: 400, times: 1 };
        assert.deepEqual(await net.run(feeds(2)), await served.local.run(feeds(2)));
      });
    });
  });
