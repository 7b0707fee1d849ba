import assert from 'node:assert/strict';
import { readAccess, readAddress } from '../../../../engine/net/server/options';

const bad = (says: RegExp) => (error: Error & { code?: string }) => error.code === 'EBADPARAM' && says.test(error.message);

describe('addresses of an inference server', () => {
  it('are read with the ports that servers have', () => {
    const texts = ['http://gpu-1', 'gpu-1:9000', 'https://models.example.org', 'grpc://gpu-1', 'grpcs://gpu-1:443/', 'http://[::1]:8000', 'https://host:8443/serving/v2/', 'http://h:80'];
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
    assert.throws(() => readAddress('http://ann:secret@gpu-1'), (error: Error) => bad(/password/)(error) && !error.message.includes('secret'));
  });

  it('come with credentials of one kind, and a deadline that can be kept', () => {
    const addresses = ['http://h'];
    assert.deepEqual(readAccess({ addresses }).access, { headers: {}, timeoutMs: 10_000, sharedMemory: true });
    assert.throws(() => readAccess({ addresses: [] }), bad(/no address/));
    assert.throws(() => readAccess({ addresses, token: 't', user: 'u' }), bad(/not both/));
    assert.throws(() => readAccess({ addresses, password: 'p' }), bad(/needs a user/));
    assert.throws(() => readAccess({ addresses, token: 'a\nb' }), bad(/cannot be sent/));
    assert.throws(() => readAccess({ addresses, timeoutMs: 0 }), bad(/50 to 600000/));
    assert.throws(() => readAccess({ addresses, ca: '/nowhere.pem' }), bad(/certificates cannot be read/));
  });
});
