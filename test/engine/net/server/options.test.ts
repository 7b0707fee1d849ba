import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAccess, readAddress, readCertificates } from '../../../../engine/net/server/options';

const bad = (says: RegExp) => (error: Error & { code?: string }) => error.code === 'EBADPARAM' && says.test(error.message);

describe('addresses of an inference server', () => {
  it('are read with the ports that servers have', () => {
    const texts = [
      'http://gpu-1',
      'gpu-1:9000',
      'https://models.example.org',
      'grpc://gpu-1',
      'grpcs://gpu-1:443/',
      'http://[::1]:8000',
      'https://host:8443/serving/v2/',
      'http://h:80',
    ];
    assert.deepEqual(
      texts.map((text) => readAddress(text)).map(({ protocol, tls, host, port, path }) => [protocol, tls, host, port, path]),
      [
        ['http', false, 'gpu-1', 8000, ''],
        ['http', false, 'gpu-1', 9000, ''],
        ['http', true, 'models.example.org', 443, ''],
        ['grpc', false, 'gpu-1', 8001, ''],
        ['grpc', true, 'gpu-1', 443, ''],
        ['http', false, '::1', 8000, ''],
        ['http', true, 'host', 8443, '/serving'],
        ['http', false, 'h', 80, ''],
      ],
    );
    assert.equal(readAddress('grpcs://gpu-1').text, 'grpcs://gpu-1:443');
  });

  it('are refused when they are none, or hold a password', () => {
    for (const text of ['', ' ', 'ftp://x', 'http://', 'grpc://h/path', 'http://h?x=1', 'two words', undefined, 7]) {
      assert.throws(() => readAddress(text as string), bad(/address/));
    }
    assert.throws(
      () => readAddress('http://ann:secret@gpu-1'),
      (error: Error) => bad(/password/)(error) && !error.message.includes('secret'),
    );
  });

  it('come with credentials of one kind, and a deadline that can be kept', () => {
    const addresses = ['http://h'];
    assert.deepEqual(readAccess({ addresses }).access, { headers: {}, timeoutMs: 10_000, sharedMemory: true });
    assert.throws(() => readAccess({ addresses: [] }), bad(/no address/));
    assert.throws(() => readAccess({ addresses, token: 't', user: 'u' }), bad(/not both/));
    assert.throws(() => readAccess({ addresses, password: 'p' }), bad(/needs a user/));
    assert.throws(() => readAccess({ addresses, token: 'a\nb' }), bad(/cannot be sent/));
    assert.throws(() => readAccess({ addresses, timeoutMs: 0 }), bad(/50 to 600000/));
  });

  it('and certificates out of a regular file of at most a megabyte, without waiting for one that is none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'certificates-'));
    const [pipe, large, right] = ['pipe', 'large', 'right'].map((name) => join(folder, name));
    await writeFile(large, Buffer.alloc(2 ** 20 + 1));
    await writeFile(right, 'PEM');
    if (process.platform !== 'win32') {
      execFileSync('mkfifo', [pipe]);
      await assert.rejects(readCertificates(pipe), bad(/certificates cannot be read.*not a regular file/));
      await assert.rejects(readCertificates('/dev/zero'), bad(/not a regular file/));
    }
    for (const path of ['/nowhere.pem', folder, large]) await assert.rejects(readCertificates(path), bad(/certificates cannot be read/));
    assert.equal((await readCertificates(right)).toString(), 'PEM');
    await rm(folder, { recursive: true });
  });
});
