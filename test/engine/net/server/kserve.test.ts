import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toFloat16 } from '../../../../engine/net/float16';
import { modelFolder } from '../../../../engine/model/files';
import type { Tensor } from '../../../../engine/net/net';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { ServerNet } from '../../../../engine/net/server/server-net';
import { floatsOf } from '../../../../engine/net/tensor';
import { inHalf, RealServer, reasonWithout } from '../../../lib/real-servers';

/** Runs of the starter model's UNet. */
function feeds(rows: number, type: 'float32' | 'float16'): Record<string, Tensor> {
  const tensor = (dims: number[]): Tensor => {
    const values = Float32Array.from({ length: dims.reduce((product, size) => product * size) }, (_, i) => Math.sin(i * 0.7 + rows));
    return { type, data: type === 'float16' ? toFloat16(values) : values, dims };
  };
  const timestep: Tensor = { type: 'int64', data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(700 - 100 * i)), dims: [rows] };
  return { sample: tensor([rows, 16, 16, 16]), timestep, encoder_hidden_states: tensor([rows, 24, 128]) };
}

describe("KServe's model server", function () {
  this.timeout(180_000);
  let folder: string;
  let server: RealServer;
  let nets: Record<'float32' | 'float16', OnnxNet>;

  before(async function () {
    const reason = reasonWithout('kserve') ?? reasonWithout('triton');
    if (reason) {
      console.log(`    ${reason}`);
      return this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'kserve-'));
    const path = join(modelFolder('starter'), 'unet/model.onnx');
    const half = join(folder, 'half.onnx');
    await inHalf(path, half);
    nets = {
      float32: await OnnxNet.load(path, { executionProvider: 'cpu' }),
      float16: await OnnxNet.load(half, { executionProvider: 'cpu' }),
    };
    server = await RealServer.kserve({ float32: path, float16: half });
  });
  after(async () => {
    await server?.kill();
    await Promise.all(Object.values(nets ?? {}).map((net) => net.close()));
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  for (const protocol of ['http', 'grpc'] as const) {
    for (const type of ['float32', 'float16'] as const) {
      it(`computes what is computed here: ${type} over ${protocol}`, async () => {
        const expected = { inputs: nets[type].inputs, outputs: nets[type].outputs, fingerprint: () => Promise.resolve('not told here') };
        const net = await ServerNet.open(type, expected, { addresses: [server[protocol]] });
        for (const rows of [1, 3]) {
          const [there, here] = [await net.run(feeds(rows, type)), await nets[type].run(feeds(rows, type))];
          assert.deepEqual(there.out_sample.dims, here.out_sample.dims);
          assert.equal(there.out_sample.type, type);
          const values = floatsOf(here.out_sample);
          const largest = floatsOf(there.out_sample).reduce((most, value, i) => Math.max(most, Math.abs(value - values[i])), 0);
          assert.ok(largest <= 1e-4, String(largest));
        }
        await net.close();
      });
    }

    it(`says what is wrong over ${protocol}`, async () => {
      const expected = { inputs: nets.float32.inputs, outputs: nets.float32.outputs, fingerprint: () => Promise.resolve('') };
      await assert.rejects(ServerNet.open('none', expected, { addresses: [server[protocol]] }), { code: 'ENETWORK', message: /none/ });
      const net = await ServerNet.open('float32', expected, { addresses: [server[protocol]] });
      const wrong = { ...feeds(2, 'float32'), sample: feeds(1, 'float32').sample };
      await assert.rejects(net.run(wrong), (error: Error & { code: string }) => /^E(NETWORK|BADMODEL)$/.test(error.code));
      await net.close();
    });
  }
});
