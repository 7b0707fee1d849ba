/**
 * `node dist/test/soak/slow-viewers.js [SECONDS]`: how old the pictures are that viewers get over a slow link. To be run where the
 * link may be slowed down and nobody else is on it, a network namespace of its own:
 *
 *     unshare -n sh -c 'ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf rate 400kbit burst 4k limit 16k && node dist/test/soak/slow-viewers.js'
 *
 * On a link that is not slow, `slow-viewers.js SECONDS BYTES` measures viewers that read so many bytes a second.
 */
import { connect } from 'node:net';
import sharp from 'sharp';
import WebSocket from 'ws';
import sink from '../../nodes/sink';
import { helper } from '../lib/flow';
import { WebFlow } from '../lib/web-flow';

const PER_SECOND = 10;
/** Reads of a slow reader a second. */
const SIPS = 10;

async function main(): Promise<void> {
  const [seconds = 30, bytesPerSecond = Infinity] = process.argv.slice(2).map(Number);
  const web = await WebFlow.start([sink], [{ id: 'sink', type: 'streamdiffusion-sink', name: 'wall', wires: [[]] }]);
  const jpeg = await sharp({
    create: { width: 200, height: 200, channels: 3, background: '#777', noise: { type: 'gaussian', mean: 120, sigma: 60 } },
  })
    .jpeg({ quality: 82 })
    .toBuffer();
  console.log(`${PER_SECOND} pictures a second of ${jpeg.length} bytes`);
  const shownAt: number[] = [];
  const source = setInterval(() => {
    const mark = Buffer.from(`#${String(shownAt.length).padStart(8, '0')}#`);
    shownAt.push(performance.now());
    helper.getNode('sink').receive({ payload: Buffer.concat([jpeg, mark]) });
  }, 1000 / PER_SECOND);
  const ways: [string, string, boolean][] = [
    ['MJPEG stream', 'wall.mjpg', false],
    ['plain WebSocket', 'wall', true],
    ['WebSocket with receipts', 'wall?details', true],
  ];
  for (const [name, path, isSocket] of ways) {
    const ages: number[] = [];
    let tail = '';
    const hear = (bytes: Buffer): void => {
      tail += bytes.toString('latin1');
      for (const [, number] of tail.matchAll(/#(\d{8})#/g)) ages.push(performance.now() - shownAt[Number(number)]);
      tail = tail.slice(-9).replace(/^.*#$/, '');
    };
    const end = isSocket ? lookOverSocket(web.address, path, hear, bytesPerSecond) : lookAt(web.address, path, hear, bytesPerSecond);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    end();
    const late = ages.slice(Math.floor(ages.length / 2)).sort((a, b) => a - b);
    const age = (share: number): string =>
      `${((late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? NaN) / 1000).toFixed(1)} s`;
    console.log(`${name}: ${(ages.length / seconds).toFixed(1)} pictures a second; in the second half ${age(0.5)} old, at most ${age(1)}`);
    await new Promise((resolve) => setTimeout(resolve, 3000));
  }
  clearInterval(source);
  await web.stop();
  process.exit();
}

/** Reads over a bare connection, as slowly as it is told. */
function lookAt(address: string, path: string, hear: (bytes: Buffer) => void, bytesPerSecond: number): () => void {
  const { port } = new URL(address);
  const socket = connect(Number(port), '127.0.0.1', () => socket.write(`GET /streamdiffusion/${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
  const timer = sip(socket, hear, bytesPerSecond);
  return () => {
    clearInterval(timer);
    socket.destroy();
  };
}

function lookOverSocket(address: string, path: string, hear: (bytes: Buffer) => void, bytesPerSecond: number): () => void {
  const socket = new WebSocket(`${address.replace('http', 'ws')}/${path}`);
  let last = performance.now();
  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) return;
    hear(data);
    // A program that needs its time for each picture, and does not read meanwhile.
    socket.pause();
    last = Math.max(performance.now(), last + (data.length / bytesPerSecond) * 1000);
    setTimeout(() => {
      socket.resume();
      if (path.endsWith('details') && socket.readyState === WebSocket.OPEN) socket.send('');
    }, last - performance.now());
  });
  socket.on('error', () => undefined);
  return () => socket.terminate();
}

function sip(socket: ReturnType<typeof connect>, hear: (bytes: Buffer) => void, bytesPerSecond: number): NodeJS.Timeout | undefined {
  socket.on('error', () => undefined);
  if (bytesPerSecond === Infinity) {
    socket.on('data', hear);
    return undefined;
  }
  socket.pause();
  return setInterval(() => {
    const bytes = socket.read(Math.min(socket.readableLength, bytesPerSecond / SIPS)) as Buffer | null;
    if (bytes) hear(bytes);
  }, 1000 / SIPS);
}

void main();
