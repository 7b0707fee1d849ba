import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Classifier } from '../../../../engine/net/picture/classifier';
import type { RawImage } from '../../../../engine/types';
import { coloursNet, safetyChecker, scoreNet, twoInputNet } from '../../../lib/picture-nets';

const plain = (...colour: number[]): RawImage => ({
  data: Uint8Array.from({ length: 48 * 32 * 3 }, (_, k) => colour[k % 3]),
  width: 48,
  height: 32,
  channels: 3,
});

describe('a classifier of pictures', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'classifier-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function scores(name: string, net: Buffer, images: RawImage[], config?: object): Promise<number[]> {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, 'model.onnx'), net);
    if (config) await writeFile(join(folder, name, 'config.json'), JSON.stringify(config));
    const classifier = await Classifier.load({ file: join(folder, name), executionProvider: 'cpu' });
    try {
      const found: number[] = [];
      for (const image of images) found.push(await classifier.score(image));
      return found;
    } finally {
      await classifier.close();
    }
  }

  it('may be the safety checker of Stable Diffusion', async () => {
    assert.deepEqual(await scores('checker', safetyChecker(), [plain(0, 0, 0), plain(255, 255, 255), plain(100, 100, 100)]), [0, 1, 0]);
  });

  it('may give a probability', async () => {
    const [dark, bright] = await scores('score', scoreNet(), [plain(0, 0, 0), plain(204, 204, 204)]);
    assert.ok(dark < 0.01 && Math.abs(bright - 0.8) < 0.01, `${dark}, ${bright}`);
  });

  it('may give logits of classes, of which those count that its configuration calls unfit, else the last', async () => {
    const images = [plain(255, 0, 0), plain(0, 255, 0), plain(0, 0, 255)];
    const round = (list: number[]): number[] => list.map(Math.round);
    assert.deepEqual(round(await scores('unnamed', coloursNet(), images)), [0, 0, 1]);
    const id2label = { 0: 'NSFW', 1: 'landscape', 2: 'normal' };
    assert.deepEqual(round(await scores('named', coloursNet(), images, { id2label })), [1, 0, 0]);
  });

  it('is refused when it is something else', async () => {
    await assert.rejects(scores('torn', Buffer.from('no net'), []), { code: 'EBADMODEL' });
    await assert.rejects(Classifier.load({ file: join(folder, 'nowhere'), executionProvider: 'cpu' }), { code: 'ENOMODEL' });
    assert.equal((await scores('pair', twoInputNet(), [])).length, 0);
  });
});
