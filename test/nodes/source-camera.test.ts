import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { holdsSecret, maskSecrets, secretAddress, secretsOf, splitLogin } from '../../nodes/lib/ffmpeg/camera-address';
import { FfmpegProducer } from '../../nodes/lib/ffmpeg/ffmpeg';
import { demandsOf, ffmpegArguments, ffmpegScript, type FfmpegInput } from '../../nodes/lib/ffmpeg/arguments';
import { isWayland } from '../../nodes/lib/ffmpeg/devices';
import { readInputOptions } from '../../nodes/lib/ffmpeg/options';
import { FfmpegWords } from '../../engine/util/ffmpeg-words';
import source from '../../nodes/source';
import { calls, helper, startFlow, until } from '../lib/flow';
import { networkCamera } from '../lib/rates';

const run = promisify(execFile);
const camera = { kind: 'camera', input: '/dev/video0', fps: 25, width: 512, height: 512, loop: true, start: 0, speed: 1 } as const;

/** What macOS' ffmpeg writes of a camera that has no such rate. */
const MODES = `[avfoundation @ 0x7f8] Selected framerate (29.970030) is not supported by the device.
[avfoundation @ 0x7f8] Supported modes:
[avfoundation @ 0x7f8]   640x480@[1.000000 30.000030]fps
[avfoundation @ 0x7f8]   1280x720@[15.000000 25.000000]fps
[avfoundation @ 0x7f8]   1920x1080@[1.000000 5.000000]fps
0: Input/output error
`;

function play(ffmpeg: string, input: Partial<FfmpegInput>): { producer: FfmpegProducer; pictures: Buffer[]; errors: string[] } {
  const pictures: Buffer[] = [];
  const errors: string[] = [];
  const producer = new FfmpegProducer(
    ffmpeg,
    { ...camera, width: 64, height: 48, ...input },
    {
      frame: (jpeg) => pictures.push(jpeg),
      failed: (error) => errors.push(error.message),
      waiting: () => undefined,
      ended: () => undefined,
    },
  );
  return { producer, pictures, errors };
}

describe('a camera by its name', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'camera-'))));
  afterEach(async () => {
    await helper.unload();
    await rm(folder, { recursive: true });
  });

  it('is asked on Linux for MJPEG, a size that covers the wanted one, and a rate; then for less', () => {
    const asked = (said: string[], format = {}): string | undefined => demandsOf({ ...camera, ...format }, 'linux', said)?.join(' ');
    assert.equal(asked([]), '-input_format mjpeg -video_size 1280x720 -framerate 30');
    assert.equal(asked([''], { width: 256, height: 256, fps: 60 }), '-video_size 640x480 -framerate 60');
    assert.equal(asked(['', '']), '');
    assert.equal(asked(['', '', '']), undefined);
    assert.match(
      ffmpegArguments(camera, 'linux').join(' '),
      /-f v4l2 -input_format mjpeg -video_size 1280x720 -framerate 30 -i \/dev\/video0 /,
    );
  });

  it('is asked on macOS for 30 a second, then for one of the modes that ffmpeg names', () => {
    const asked = (said: string[], format = {}): string | undefined =>
      demandsOf({ ...camera, input: '0', ...format }, 'darwin', said)?.join(' ');
    assert.equal(asked([]), '-framerate 30');
    assert.equal(asked([MODES], { width: 256, height: 256 }), '-video_size 640x480 -framerate 30');
    assert.equal(asked([MODES]), '-video_size 1280x720 -framerate 25.000000', 'not the one of 5 a second');
    assert.equal(asked([MODES, 'no']), '');
    assert.equal(asked([MODES, 'no', 'no']), undefined);
    assert.equal(asked(['no such device']), '');
    assert.equal(asked(['no such device', 'no']), undefined);
    assert.match(ffmpegArguments({ ...camera, input: '0' }, 'darwin').join(' '), /-f avfoundation -framerate 30 -i 0:none /);
  });

  it('is not asked for anything where the options say how, or where it is an address', () => {
    assert.deepEqual(demandsOf({ ...camera, options: [['video_size', '320x240']] }, 'linux'), []);
    assert.deepEqual(demandsOf({ ...camera, input: 'rtsp://camera/' }, 'linux'), []);
    assert.match(
      ffmpegArguments({ ...camera, options: readInputOptions('-f v4l2 -input_format yuyv422') }, 'linux').join(' '),
      / -f v4l2 -input_format yuyv422 -i \/dev\/video0 /,
    );
  });

  it('that refuses one way is asked the next, and a failure is told once, when none is left', async function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: the ways that are tried are those of Linux');
      return this.skip();
    }
    const picture = join(folder, 'picture.jpg');
    await sharp({ create: { width: 64, height: 48, channels: 3, background: '#f00' } }).toFile(picture);
    const program = join(folder, 'ffmpeg');
    const log = join(folder, 'log');
    // A camera that knows no MJPEG.
    await writeFile(
      program,
      `#!/bin/sh\necho "$*" >> '${log}'\ncase "$*" in *mjpeg\\ -video*) echo "Cannot find a proper format" >&2; exit 1;; esac\ncat '${picture}'\nexec sleep 60\n`,
    );
    await chmod(program, 0o755);
    const { producer, pictures, errors } = play(program, {});
    await until(() => pictures.length > 0);
    await producer.stop();
    assert.deepEqual(errors, []);
    assert.equal((await readFile(log, 'utf8')).trim().split('\n').length, 2);

    await writeFile(program, `#!/bin/sh\necho "$*" >> '${log}2'\necho "no such camera" >&2\nexit 1\n`);
    const gone = play(program, {});
    await until(() => gone.errors.length > 0);
    await gone.producer.stop();
    assert.match(gone.errors[0], /\/dev\/video0 cannot be played: no such camera/);
    assert.equal(gone.errors.length, 1);
    assert.equal((await readFile(`${log}2`, 'utf8')).trim().split('\n').length, 3);
  });

  it('that is a screen under Wayland is told to be black', async () => {
    assert.ok(isWayland('', 'linux', { WAYLAND_DISPLAY: 'wayland-0' }));
    assert.ok(isWayland(':0', 'linux', { XDG_SESSION_TYPE: 'wayland', DISPLAY: ':0' }));
    assert.ok(!isWayland(':7', 'linux', { XDG_SESSION_TYPE: 'wayland', DISPLAY: ':0' }), 'an X server beside it');
    assert.ok(!isWayland('', 'linux', { XDG_SESSION_TYPE: 'x11', DISPLAY: ':0' }));
    assert.ok(!isWayland('', 'darwin', { WAYLAND_DISPLAY: 'wayland-0' }));
  });
});

describe('further options for ffmpeg', () => {
  it('are those of devices, networks and decoders, each with its value, and stand before the input', () => {
    assert.deepEqual(readInputOptions(''), []);
    assert.deepEqual(readInputOptions(' -rtsp_transport udp  -user_agent "my camera" '), [
      ['rtsp_transport', 'udp'],
      ['user_agent', 'my camera'],
    ]);
    const args = ffmpegArguments(
      { ...camera, input: 'rtsp://camera/live', options: readInputOptions('-rtsp_transport udp -timeout 5000000') },
      'linux',
    ).join(' ');
    assert.match(args, /-rtsp_transport tcp -rtsp_transport udp -timeout 5000000 -i rtsp:\/\/camera\/live /, 'the later one counts');
    const script = ffmpegScript({
      ...camera,
      input: 'rtsp://me:secret@camera/live',
      options: readInputOptions("-rtsp_transport udp -user_agent 'it is'"),
    })!;
    assert.match(
      script,
      /^ffconcat version 1.0\nfile 'rtsp:\/\/me:secret@camera\/live'\noption rtsp_transport 'udp'\noption user_agent 'it is'\n$/,
    );
  });

  it('name no other input, no file to write, no protocol, no filter; nor do they come without a value', () => {
    for (const text of [
      '-i /etc/passwd',
      'second.mp4',
      '-y',
      '-re',
      '-an out.mp4',
      '-f lavfi',
      '-f concat',
      '-f tee',
      '-protocol_whitelist file',
      '-safe 0',
      '-format_whitelist x',
      '-vf movie=/etc/passwd',
      '-filter_complex x',
      '-report',
      '-progress file:/tmp/x',
      '-dump_attachment:t x',
      '-map 0',
      '-init_hw_device x',
      '-video_size',
      '-video_size 1x1 out.mp4',
      '-framerate 30 -i x',
      '--video_size 1x1',
      '-sdp_file x',
      '-vstats_file x',
      '-http_proxy x',
      '-framerate "30',
      '-framerate 30\n-i x',
      '- 1',
    ]) {
      assert.throws(() => readInputOptions(text), { code: 'EBADPARAM' }, text);
    }
  });

  it('that cannot be are told with the field', async () => {
    await startFlow(
      [source],
      [
        {
          id: 'source',
          type: 'streamdiffusion-source',
          kind: 'camera',
          camera: '/dev/video0',
          options: '-i /etc/passwd',
          autostart: false,
        },
      ],
    );
    const errors = calls('source', 'error');
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => errors.length > 0);
    await helper.unload();
    assert.match(String(errors[0]), /options cannot be given "-i"/);
  });
});

describe('secrets in an address', () => {
  it('are found: a login with any characters, and parameters of every usual name', () => {
    assert.deepEqual(splitLogin('rtsp://admin:p/ss#w@rd?@camera:554/live'), {
      address: 'rtsp://camera:554/live',
      user: 'admin',
      password: 'p/ss#w@rd?',
    });
    assert.deepEqual(splitLogin('http://me:p%40ss@camera/'), { address: 'http://camera/', user: 'me', password: 'p@ss' });
    assert.deepEqual(splitLogin('http://me:50%@camera/'), { address: 'http://camera/', user: 'me', password: '50%' });
    for (const plain of [
      'rtsp://camera/live',
      'http://camera:81/a@b',
      'http://[fe80::1]:80/a@b',
      '/films/a@b.mp4',
      '0',
      'http://camera/?fps=5&size=1@2',
    ])
      assert.equal(splitLogin(plain), undefined, plain);
    for (const [address, secret] of [
      ['http://camera/video?user=me&password=trout7', 'trout7'],
      ['http://camera/video.cgi?loginuse=me&loginpas=trout7', 'trout7'],
      ['http://camera/?usr=me&pwd=trout7&x=1', 'trout7'],
      ['rtsp://camera:554/user=admin_password=trout7_channel=1_stream=0.sdp', 'trout7'],
      ['rtsp://camera/user=admin&password=trout7&channel=1', 'trout7'],
      ['https://cdn/film.mp4?access_token=trout7', 'trout7'],
      ['http://camera/?PWD=trout7', 'trout7'],
      ['http://camera/?passwd=tr%20out7', 'tr%20out7'],
      ['https://cdn/film.m3u8?Signature=trout7&Expires=1', 'trout7'],
      ['rtsp://me:tr@out7@camera/live', 'tr@out7'],
      ['rtsp://me:tr/out7@camera/live', 'tr/out7'],
    ]) {
      assert.ok(holdsSecret(address), address);
      assert.ok(secretAddress(address), address);
      const input = { ...camera, input: address };
      assert.doesNotMatch(ffmpegArguments(input, 'linux').join(' '), /out7/, `in the list of processes: ${address}`);
      assert.match(ffmpegScript(input)!, /out7/);
      const told = maskSecrets(`${address} cannot be played: [tcp] ${address}: 401; ${secret} was wrong`, secretsOf(address));
      assert.doesNotMatch(told, /out7/, told);
      assert.match(told, /(camera|cdn)/, `${told} names the camera`);
    }
  });

  it('are hidden in what ffmpeg says, without more than that', () => {
    assert.equal(maskSecrets('http://camera/a@b: 404 Not Found'), 'http://camera/a@b: 404 Not Found');
    assert.equal(maskSecrets('rtsp://me:a@b/c@camera/live: 401'), 'rtsp://***@camera/live: 401');
    assert.equal(maskSecrets('http://camera/?user=me&pwd=1&fps=5: 404'), 'http://camera/?user=me&pwd=***&fps=5: 404');
    assert.equal(maskSecrets('x: 401 for p@ss', ['p@ss']), 'x: 401 for ***');
  });

  it('of which only half is kept are not told either: whole lines or none', () => {
    const words = new FfmpegWords();
    words.add(Buffer.from('[tcp @ 0x55d0c8] the reason\n'));
    for (let k = 0; k < 400; k++) words.add(Buffer.from(`line ${k} of http://me:swordfish@camera/live\n`));
    words.add(Buffer.from('the end\n'));
    for (const text of [words.text, words.brief]) {
      assert.match(text, /^\[tcp\] the reason\n[\s\S]*\n…\n[\s\S]*the end$/);
      for (const line of text.split('\n'))
        assert.match(line, /^(\[tcp\] the reason|line \d+ of http:\/\/me:swordfish@camera\/live|…|the end)$/);
    }
    assert.ok(words.brief.length < 1200 && words.text.length < 5100);
  });

  it('stay out of logs, statuses and the list of processes of a camera that runs and one that fails', async function () {
    await run('ffmpeg', ['-version']).catch(() => {
      console.log('      skipped: ffmpeg is not installed');
      this.skip();
    });
    const network = await networkCamera(10);
    try {
      const address = `${network.address}?user=visitor&pwd=swordfish`;
      await startFlow(
        [source],
        [
          { id: 'source', type: 'streamdiffusion-source', kind: 'camera', camera: address, autostart: false, wires: [['out']] },
          { id: 'out', type: 'helper' },
        ],
      );
      const told = { errors: calls('source', 'error'), states: calls('source', 'status'), warnings: calls('source', 'warn') };
      let pictures = 0;
      helper.getNode('out').on('input', () => pictures++);
      helper.getNode('source').receive({ payload: 'start' });
      await until(() => pictures > 2);
      const { stdout } = await run('ps', ['-o', 'args=', '--ppid', String(process.pid)]);
      assert.match(stdout, /ffmpeg/);
      assert.doesNotMatch(stdout, /swordfish/);
      network.close();
      await until(() => told.errors.length > 0);
      assert.match(String(told.errors[0]), /user=visitor&pwd=\*\*\*/);
      assert.doesNotMatch(JSON.stringify([told.errors.map(String), told.states, told.warnings]), /swordfish/);
    } finally {
      await helper.unload();
      network.close();
    }
  });
});

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
      const { producer, pictures, errors } = play('ffmpeg', { input: input(), ...login });
      await until(() => errors.length > 0);
      await producer.stop();
      assert.deepEqual([pictures.length, asked], [0, []]);
      assert.match(errors[0], /certificate/i);
      assert.match(errors[0], /accept any certificate/);
      assert.doesNotMatch(errors[0], /swordfish/);
    });

    it(`gives pictures where any certificate is accepted, or its own is known${which}`, async () => {
      for (const trusting of [{ anyCertificate: true }, { options: readInputOptions(`-ca_file ${join(folder, 'cert.pem')}`) }]) {
        const { producer, pictures, errors } = play('ffmpeg', { input: input(), ...login, ...trusting });
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
