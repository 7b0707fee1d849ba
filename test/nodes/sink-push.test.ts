import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { Push } from '../../nodes/lib/sink/push';
import { pushAddress, type PushCredentials, type PushOptions } from '../../nodes/lib/sink/push-address';
import sink from '../../nodes/sink';
import { calls, helper, PATIENCE, startFlow, until, type FlowNode } from '../lib/flow';
import { isAlive } from '../lib/processes';
import { LoopClock } from '../lib/strain';
import { StreamReceiver } from '../lib/stream-receiver';

const FPS = 20;
const picture = (background: string, width = 64, height = 48): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();
const options = (address: string, credentials: Partial<PushCredentials> = {}): PushOptions => ({
  ...pushAddress(address, credentials),
  ffmpeg: 'ffmpeg',
  fps: FPS,
  kbps: 500,
});

describe('pictures sent to another program', function () {
  this.timeout(4 * PATIENCE);
  let red: Buffer;
  let blue: Buffer;
  let receiver: StreamReceiver | undefined;
  let push: Push | undefined;

  before(async function () {
    const { stdout } = await promisify(execFile)('ffmpeg', ['-hide_banner', '-protocols']).catch(() => ({ stdout: '' }));
    if (!/^ *srt$/m.test(stdout)) {
      console.log('      skipped: ffmpeg is not installed, or lacks SRT');
      return this.skip();
    }
    [red, blue] = [await picture('#f00'), await picture('#00f', 100, 50)];
  });
  afterEach(async () => {
    await push?.finish();
    await receiver?.stop();
    push = receiver = undefined;
    await helper.unload();
  });
  const isBlue = ([r, g, b]: [number, number, number] = [0, 0, 0]): boolean => b > 100 && r < 80 && g < 80;

  const WAYS: Record<string, (port: number) => { listen: string[]; address: string; credentials?: Partial<PushCredentials> }> = {
    rtmp: (port) => ({
      listen: ['-listen', '1', '-i', `rtmp://127.0.0.1:${port}/studio/live/my-secret-key`],
      address: `rtmp://127.0.0.1:${port}/studio/live`,
      credentials: { key: 'my-secret-key' },
    }),
    srt: (port) => ({
      listen: ['-i', `srt://127.0.0.1:${port}?mode=listener&passphrase=my-secret-phrase`],
      address: `srt://127.0.0.1:${port}`,
      credentials: { password: 'my-secret-phrase', key: 'my-secret-key' },
    }),
    rtsp: (port) => ({
      listen: ['-rtsp_flags', 'listen', '-i', `rtsp://127.0.0.1:${port}/wall`],
      address: `rtsp://127.0.0.1:${port}/wall`,
    }),
  };
  describe('each way', () => {
    /** All at once: they wait for the clock. */
    let ways: Map<string, Promise<void>>;
    before(() => {
      ways = new Map(Object.entries(WAYS).map(([name, way]) => [name, sendBy(way)]));
      // Told by the test that it belongs to.
      for (const sent of ways.values()) sent.catch(() => undefined);
    });
    after(() => Promise.allSettled(ways?.values() ?? []));

    for (const name of Object.keys(WAYS))
      it(`${name}: at a constant rate though they come irregularly, the newest one, its secrets out of sight`, () => ways.get(name));
  });

  async function sendBy(way: (typeof WAYS)[string]): Promise<void> {
    const { listen, address, credentials } = way(await StreamReceiver.freePort());
    const taken = await StreamReceiver.start(...listen);
    const errors: Error[] = [];
    const sent = new Push(options(address, credentials), (error) => errors.push(error));
    try {
      assert.equal(sent.state, undefined);
      sent.show({ jpeg: red, frame: {} });
      assert.equal(sent.state, 'calling');
      await until(
        () => taken.count > 0,
        2 * PATIENCE,
        () => `${taken.said} ${errors.join()}`,
      );
      await until(() => sent.state === 'sending');
      if (existsSync(`/proc/${sent.pid}/cmdline`)) {
        const seen = readFileSync(`/proc/${sent.pid}/cmdline`, 'latin1');
        assert.ok(seen.includes(`127.0.0.1`) && !seen.includes('my-secret'), seen);
      }
      // None, then several at once, of which nobody is to see but the last one.
      const before = taken.count;
      await until(() => taken.count >= before + 2 * FPS);
      for (const jpeg of [red, red, red, blue]) sent.show({ jpeg, frame: {} });
      await until(
        () => isBlue(taken.last),
        PATIENCE,
        () => String(taken.last),
      );
      await until(() => taken.steps.length >= 3 * FPS);
      const off = taken.steps.filter((step) => Math.abs(step - 1 / FPS) > 0.002);
      assert.deepEqual(off, [], `a picture each ${1 / FPS} s`);
      for (const { message } of errors) assert.ok(!message.includes('my-secret'), message);
    } finally {
      await sent.finish();
      await taken.stop();
    }
  }

  it('goes on by itself when the other side comes back, and says once what is wrong', async () => {
    const port = await StreamReceiver.freePort();
    const listen = ['-listen', '1', '-i', `rtmp://127.0.0.1:${port}/live/my-secret-key`];
    const flow: FlowNode[] = [
      { id: 'sink', type: 'streamdiffusion-sink', name: 'wall', push: `rtmp://127.0.0.1:${port}/live`, pushFps: '10', wires: [['out']] },
      { id: 'out', type: 'helper' },
    ];
    await startFlow([sink], flow, { sink: { key: 'my-secret-key' } });
    const [errors, states] = [calls('sink', 'error'), calls('sink', 'status') as { text?: string }[]];
    const status = (key: string): boolean => states.at(-1)?.text?.includes(`status.${key}`) ?? false;
    let passed = 0;
    helper.getNode('out').on('input', () => passed++);
    helper.getNode('sink').receive({ payload: red });
    await until(() => errors.length === 1 && status('calling'));
    assert.equal((errors[0] as { code: string }).code, 'ESOURCE');
    assert.match(String(errors[0]), /cannot be sent to rtmp:\/\/127\.0\.0\.1:\d+\/live: [\s\S]*refused/i);
    receiver = await StreamReceiver.start(...listen);
    await until(
      () => status('sending'),
      2 * PATIENCE,
      () => JSON.stringify(states.at(-1)),
    );
    await receiver.stop();
    receiver = undefined;
    await until(
      () => status('calling'),
      2 * PATIENCE,
      () => JSON.stringify(states.at(-1)),
    );
    receiver = await StreamReceiver.start(...listen);
    await until(
      () => status('sending'),
      2 * PATIENCE,
      () => JSON.stringify(states.at(-1)),
    );
    assert.equal(new Set(errors.map(String)).size, errors.length, 'each is told once');
    assert.equal(passed, 1);
    assert.doesNotMatch(JSON.stringify([errors.map(String), states]), /my-secret/);
  });

  it('gives up a connection over which nothing gets through, and calls again', async () => {
    let callers = 0;
    const silent = createServer((socket) => {
      callers++;
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const errors: Error[] = [];
    push = new Push(options(`rtmp://127.0.0.1:${port}/live/x`), (error) => errors.push(error), { running: 1500, starting: 1500 });
    push.show({ jpeg: red, frame: {} });
    // On a busy machine ffmpeg itself may need longer to begin.
    await until(() => errors.length >= 2 && callers >= 1);
    assert.match(errors[0].message, /nothing was sent for 1\.5 s/);
    silent.close();
  });

  it('ends by force in bounded time, and leaves no process', async () => {
    const port = await StreamReceiver.freePort();
    const taken = await StreamReceiver.start('-rtsp_flags', 'listen', '-i', `rtsp://127.0.0.1:${port}/wall`);
    receiver = taken;
    const sent = new Push(options(`rtsp://127.0.0.1:${port}/wall`), () => undefined);
    sent.show({ jpeg: red, frame: {} });
    await until(
      () => taken.count > 0,
      2 * PATIENCE,
      () => taken.said,
    );
    const { pid } = sent;
    process.kill(pid!, 'SIGSTOP');
    const time = new LoopClock();
    await sent.finish();
    assert.ok(time.ms < 4500, `Node-RED waits for no node longer than 5 s: ${time.ms}`);
    time.stop();
    assert.ok(!isAlive(pid!));
  });

  it('says that there is no ffmpeg, also where it would be called with secrets', async () => {
    for (const credentials of [{}, { key: 'my-secret-key' }]) {
      const errors: Error[] = [];
      push = new Push({ ...options('rtmp://127.0.0.1:9/live', credentials), ffmpeg: '/nowhere/ffmpeg' }, (error) => errors.push(error));
      push.show({ jpeg: red, frame: {} });
      await until(() => errors.length > 0);
      assert.match(errors[0].message, /ffmpeg was not found as "\/nowhere\/ffmpeg"/);
      await push.finish();
    }
  });
});
