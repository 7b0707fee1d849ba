import assert from 'node:assert/strict';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { EngineError } from '../../../../engine/errors';
import { checkInProcess } from '../../../../engine/host/client/checks';
import { REFERENCE_MODEL } from '../../../lib/reference';

describe('checks in a process of their own', () => {
  it('say what they say here', async () => {
    assert.equal((await checkInProcess('inspectModel', [REFERENCE_MODEL])).usable, true);
    assert.deepEqual(await checkInProcess('listInstalled', ['/nowhere']), []);
    await assert.rejects(
      checkInProcess('checkServer', ['/nowhere', { addresses: ['http://h'] }]),
      (thrown) => thrown instanceof EngineError && thrown.code === 'ENOMODEL',
    );
    const [net] = await checkInProcess('checkServer', [REFERENCE_MODEL, { addresses: ['http://127.0.0.1:1'] }]);
    assert.equal(net.error?.code, 'ENETWORK');
  });

  it('end at their deadline', async () => {
    await assert.rejects(checkInProcess('inspectModel', [REFERENCE_MODEL], 1), { code: 'ETIMEOUT' });
  });

  it('wait for each other, and the next ones are done all the same', async () => {
    const reports = await Promise.all(Array.from({ length: 7 }, () => checkInProcess('inspectModel', [REFERENCE_MODEL])));
    assert.ok(reports.every(({ usable }) => usable));
  });

  it('leave this process its memory and its time, whatever a server answers', async () => {
    const bomb = gzipSync(Buffer.alloc(512 * 2 ** 20));
    const head = Buffer.alloc(5);
    head[0] = 1;
    head.writeUInt32BE(bomb.length, 1);
    const server = createServer()
      .on('stream', (stream) => {
        stream.on('error', () => undefined);
        stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-encoding': 'gzip' });
        stream.end(Buffer.concat([head, bomb]));
      })
      .on('sessionError', () => undefined);
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const address = `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const before = process.memoryUsage.rss();
    const nets = await checkInProcess('checkServer', [
      REFERENCE_MODEL,
      { addresses: [address], nets: ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'] },
    ]);
    assert.deepEqual(
      nets.map(({ error }) => error?.code),
      new Array(4).fill('ENETWORK'),
    );
    assert.ok(process.memoryUsage.rss() - before < 100 * 2 ** 20, `${process.memoryUsage.rss() - before} bytes`);
    server.close();
  });
});
