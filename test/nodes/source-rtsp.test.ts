import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import sharp from 'sharp';
import source from '../../nodes/source';
import { needFfmpeg } from '../lib/ffmpeg';
import { calls, helper, messagesAt, PATIENCE, startFlow, until } from '../lib/flow';
import { ROOT } from '../lib/reference';
import { flowOf } from '../lib/source-flow';

const SCRIPT = join(ROOT, 'test/lib/rtsp_server.py');
/** The system's Python: Debian's packages are not seen by others. */
const PYTHON = process.env.RTSP_PYTHON ?? '/usr/bin/python3';
const LOGIN = { user: 'visitor', password: 'swörd fish' };

/** GStreamer's RTSP server as a camera on the network; undefined, and why, where its packages are missing. */
class RtspCamera {
  private constructor(
    readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(port = 0): Promise<RtspCamera | string> {
    const child = spawn(PYTHON, [SCRIPT, String(port), LOGIN.user, LOGIN.password], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk));
    return new Promise((resolve) => {
      child.once('error', ({ message }) => resolve(message));
      child.once('exit', () => resolve(said.trim()));
      child.stdout.once('data', (chunk: Buffer) => resolve(new RtspCamera(child, Number(chunk))));
    });
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

describe('frame source on an RTSP camera', function () {
  this.timeout(4 * PATIENCE);
  let camera: RtspCamera;

  before(async function () {
    await needFfmpeg.call(this);
    const skip = (reason: string): void => {
      console.log(`      skipped: ${reason}`);
      this.skip();
    };
    const started = await RtspCamera.start();
    if (typeof started === 'string')
      return skip(
        `no RTSP server (gir1.2-gst-rtsp-server-1.0, python3-gi, gstreamer1.0-plugins-good and -ugly): ${started.split('\n').at(-1)}`,
      );
    camera = started;
  });
  afterEach(() => helper.unload());
  after(() => camera?.stop());

  async function start(path: string, credentials: object = LOGIN): Promise<{ errors: unknown[]; states: unknown[] }> {
    const fields = { kind: 'camera', camera: `rtsp://127.0.0.1:${camera.port}/${path}`, width: '160', height: '120', autostart: false };
    await startFlow([source], flowOf(fields), { source: credentials });
    const told = { errors: calls('source', 'error'), states: calls('source', 'status') };
    helper.getNode('source').receive({ payload: 'start' });
    return told;
  }

  for (const path of ['h264', 'mjpeg']) {
    it(`logs in and sends its moving picture (${path})`, async () => {
      await start(path);
      const messages = await messagesAt('out', 20);
      const pictures = messages.map(({ payload }) => payload as Buffer);
      const { width, height, format } = await sharp(pictures[0]).metadata();
      assert.deepEqual([width, height, format], [160, 120, 'jpeg']);
      assert.ok(new Set(pictures.map((picture) => picture.toString('base64'))).size > 10, 'a ball that moves');
    });
  }

  it('says that the login was refused, without telling it', async () => {
    const { errors, states } = await start('h264', { user: 'visitor', password: 'catfish' });
    await until(() => errors.length > 0);
    assert.equal((errors[0] as { code: string }).code, 'ESOURCE');
    assert.match(String(errors[0]), /rtsp:\/\/127\.0\.0\.1:\d+\/h264 cannot be played: [\s\S]*401 Unauthorized/);
    assert.doesNotMatch(JSON.stringify([errors.map(String), states]), /catfish|visitor/);
  });

  it('comes back after the camera was switched off and on', async () => {
    const { errors } = await start('h264');
    await messagesAt('out', 3);
    const { port } = camera;
    await camera.stop();
    await until(
      () => errors.length > 0,
      PATIENCE,
      () => 'nothing was said about a camera that is off',
    );
    const again = await RtspCamera.start(port);
    assert.ok(again instanceof RtspCamera, String(again));
    camera = again;
    await messagesAt('out', 3);
  });
});
