import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { readInputOptions } from '../../../../nodes/lib/ffmpeg/options';
import { play } from '../../../lib/ffmpeg';
import { until } from '../../../lib/until';

const run = promisify(execFile);

describe('a camera behind TLS', () => {
  let folder: string;
  let server: Server;
  let asked: (string | undefined)[];

  before(async function () {
    const missing = await Promise.all(
      ['ffmpeg -version', 'openssl version'].map((command) =>
        run(command.split(' ')[0], command.split(' ').slice(1)).then(
          () => '',
          () => command,
        ),
      ),
    );
    if (missing.some(Boolean)) {
      console.log(`      skipped: ${missing.filter(Boolean).join(', ')} does not run`);
      return this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
    ]);
    const jpeg = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#0f0' } })
      .jpeg()
      .toBuffer();
    server = createServer({ key: await readFile(key), cert: await readFile(cert) }, ({ headers }, response) => {
      asked.push(headers.authorization);
      response.writeHead(200, { 'Content-Type': 'multipart/x-mixed-replace; boundary=frame' });
      const timer = setInterval(
        () =>
          response.write(
            Buffer.concat([
              Buffer.from(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`),
              jpeg,
              Buffer.from('\r\n'),
            ]),
          ),
        50,
      );
      response.once('close', () => clearInterval(timer));
    });
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  beforeEach(() => (asked = []));
  after(async () => {
    server?.closeAllConnections();
    server?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  for (const login of [{}, { user: 'visitor', password: 'swordfish' }]) {
    const which = login.user ? ' with a login' : '';
    const input = (): string => `https://localhost:${(server.address() as AddressInfo).port}/`;

    it(`is not told anything while its certificate is nobody's${which}`, async () => {
      const { producer, pictures, errors } = play({ kind: 'camera', input: input(), ...login });
      await until(() => errors.length > 0);
      await producer.stop();
      assert.deepEqual([pictures.length, asked], [0, []]);
      assert.match(errors[0], /certificate/i);
      assert.match(errors[0], /accept any certificate/);
      assert.doesNotMatch(errors[0], /swordfish/);
    });

    it(`gives pictures where any certificate is accepted, or its own is known${which}`, async () => {
      for (const trusting of [{ anyCertificate: true }, { options: readInputOptions(`-ca_file ${join(folder, 'cert.pem')}`) }]) {
        const { producer, pictures, errors } = play({ kind: 'camera', input: input(), ...login, ...trusting });
        await until(
          () => pictures.length > 0,
          undefined,
          () => errors.join(),
        );
        await producer.stop();
        // As ffmpeg does it, only when it is asked.
        assert.ok(asked.length > 0);
      }
    });
  }
});
