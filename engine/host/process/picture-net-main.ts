/** The process of a net from picture to picture: opens it, draws what its parent sends, and ends with it. */
import { availableParallelism, setPriority } from 'node:os';
import { decodeWithin, takeOverCodec } from '../../image/codec';
import { type ControlMap, toFile } from '../../image/control/jobs';
import { inverted } from '../../image/control/plane';
import { PictureNet } from '../../net/picture/picture-net';
import { type Answer, answerTo } from '../../util/channel';
import { SerialQueue } from '../../util/serial-queue';
import type { PictureNetRequest } from '../protocol/picture-net';

/** As the engine's: before the nets of others that wait, after the flow. */
const PRIORITY = 5;
const queue = new SerialQueue();
let net: PictureNet | undefined;

async function perform(request: PictureNetRequest): Promise<ControlMap | undefined> {
  if (request.do === 'open') {
    takeOverCodec();
    // The engine wants the others.
    net = await PictureNet.load(request.settings, Math.max(1, Math.floor(availableParallelism() / 2)));
    return undefined;
  }
  const { picture, size, isScaled, isInverted } = request;
  const drawn = await net?.draw(await decodeWithin(picture, size), isScaled);
  if (!drawn) throw new Error('a picture came before the net was open');
  const map = isInverted ? { ...drawn, data: inverted(drawn.data) } : drawn;
  return { ...(await toFile(map)), width: map.width, height: map.height };
}

setPriority(PRIORITY);
process.title = 'streamdiffusion-net';
process.on('message', ({ id, ...request }: PictureNetRequest & { id: number }) => {
  void answerTo(id, () => queue.run(() => perform(request as PictureNetRequest))).then((answer: Answer) => {
    // A parent that is gone is noticed by 'disconnect'.
    if (process.connected) process.send?.(answer, undefined, undefined, () => undefined);
  });
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// Ctrl+C and service managers reach the whole process group; the parent decides when this one ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
