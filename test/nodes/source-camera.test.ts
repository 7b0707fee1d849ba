import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import sharp from 'sharp';
import source from '../../nodes/source';
import { isMostly, meanColour } from '../lib/colours';
import { needFfmpeg } from '../lib/ffmpeg';
import { calls, helper, messagesAt, startFlow, until } from '../lib/flow';
import { networkCamera } from '../lib/rates';
import { flowOf } from '../lib/source-flow';

const run = promisify(execFile);

describe('frame source on a network camera', () => {
  before(needFfmpeg);
  afterEach(() => helper.unload());
  it('logs in to a network camera, comes back after it broke off, and never tells the password', async () => {
    const camera = await startCamera('visitor', 'swörd fish');
    try {
      const { port } = camera.server.address() as AddressInfo;
      const fields = { kind: 'camera', camera: `http://127.0.0.1:${port}/stream`, autostart: false };
      await startFlow([source], flowOf(fields), { source: { user: 'visitor', password: 'swörd fish' } });
      const errors = calls('source', 'error');
      const states = calls('source', 'status');
      helper.getNode('source').receive({ payload: 'start' });
      const [msg] = await messagesAt('out', 1);
      assert.ok(isMostly(await meanColour(msg.payload), 1));
      const { stdout: processes } = await run('ps', ['-o', 'args=', '--ppid', String(process.pid)]);
      assert.match(processes, /ffmpeg .* -i pipe:0/);
      assert.doesNotMatch(processes, /fish|visitor/);

      camera.refuse = true;
      camera.server.closeAllConnections();
      await until(() => errors.length > 0);
      camera.refuse = false;
      await messagesAt('out', 1);
      const told = JSON.stringify([errors.map(String), states]);
      assert.match(told, /127\.0\.0\.1/, 'the camera is named');
      assert.doesNotMatch(told, /fish|visitor/);
    } finally {
      await helper.unload();
      camera.server.closeAllConnections();
      camera.server.close();
    }
  });
});

describe('secrets in an address', () => {
  before(needFfmpeg);
  it('stay out of logs, statuses and the list of processes of a camera that runs and one that fails', async () => {
    const network = await networkCamera(10);
    try {
      const address = `${network.address}?user=visitor&pwd=swordfish`;
      await startFlow([source], flowOf({ kind: 'camera', camera: address, autostart: false }));
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

/** A network camera: green pictures as MJPEG for those who know the login. */
async function startCamera(user: string, password: string): Promise<{ server: Server; refuse: boolean }> {
  const jpeg = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#0f0' } })
    .jpeg()
    .toBuffer();
  const login = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const server = createServer((request, response) => {
    if (camera.refuse || request.headers.authorization !== login) {
      response.writeHead(camera.refuse ? 503 : 401, { 'WWW-Authenticate': 'Basic realm="camera"' }).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': 'multipart/x-mixed-replace; boundary=frame' });
    const timer = setInterval(() => {
      response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
      response.write(jpeg);
      response.write('\r\n');
    }, 40);
    response.once('close', () => clearInterval(timer));
  });
  const camera = { server, refuse: false };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return camera;
}
