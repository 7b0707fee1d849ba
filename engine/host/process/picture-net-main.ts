/** The process of a net that draws or judges pictures: opens it, answers its parent, and ends with it. */
import { availableParallelism } from 'node:os';
import { decodeWithin, takeOverCodec } from '../../image/codec';
import { type ControlMap, toFile } from '../../image/control/jobs';
import { inverted } from '../../image/control/plane';
import { Classifier } from '../../net/picture/classifier';
import { PictureNet } from '../../net/picture/picture-net';
import { type Answer, answerTo } from '../../util/channel';
import { SerialQueue } from '../../util/serial-queue';
import type { PictureNetRequest } from '../protocol/picture-net';
import { standBack } from '../../util/stand-back';

/** The engine process's nice value: after the flow, before nets that run in the background. */
const PRIORITY = 5;
/** Half of the cores; the engine needs the others. */
const THREADS = Math.max(1, Math.floor(availableParallelism() / 2));
const queue = new SerialQueue();
/** The shorter side of a picture for a classifier, pixels; none needs more. */
const JUDGED_SIZE = 512;
let net: PictureNet | undefined;
let classifier: Classifier | undefined;

async function perform(request: PictureNetRequest): Promise<ControlMap | number | undefined> {
  switch (request.do) {
    case 'open':
      net = await PictureNet.load(request.settings, THREADS);
      return undefined;
    case 'open-classifier':
      classifier = await Classifier.load(request.settings, THREADS);
      return undefined;
    case 'score':
      if (!classifier) throw new Error('a picture came before the classifier was open');
      return classifier.score(await decodeWithin(request.picture, JUDGED_SIZE));
    case 'draw':
      return draw(request);
  }
}

async function draw(request: PictureNetRequest & { do: 'draw' }): Promise<ControlMap> {
  const { picture, size, isScaled, isInverted } = request;
  const drawn = await net?.draw(await decodeWithin(picture, size), isScaled);
  if (!drawn) throw new Error('a picture came before the net was open');
  const map = isInverted ? { ...drawn, data: inverted(drawn.data) } : drawn;
  return { ...(await toFile(map)), width: map.width, height: map.height };
}

standBack(PRIORITY);
takeOverCodec();
process.title = 'streamdiffusion-net';
process.on('message', ({ id, ...request }: PictureNetRequest & { id: number }) => {
  void answerTo(id, () => queue.run(() => perform(request as PictureNetRequest))).then((answer: Answer) => {
    // That the parent has gone is noticed by 'disconnect'.
    if (process.connected) process.send?.(answer, undefined, undefined, () => undefined);
  });
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// Ctrl+C and service managers reach the whole process group; the parent decides when this one ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
