import { processorMs } from './strain';
import assert from 'node:assert/strict';
import { decode } from '../../engine/image/codec';
import { EngineError } from '../../engine/errors';
import { copyOf, isQuick, payloadOf, type Picture, toPicture } from '../../engine/image/picture';
import { sampleThumbnail } from '../../engine/image/pixels';
import { Dice } from './dice';
import { mutatedRaw } from './strange-pictures';

/**
 * Checks raw pictures of all kinds: each is refused in a sentence of bounded length, or is exactly as described.
 * @returns how many were accepted, and the longest time that one took, ms
 */
export async function lookAtRawPictures(count: number, seed: number): Promise<{ taken: number; slowest: number }> {
  const dice = new Dice(seed);
  let [taken, slowest] = [0, 0];
  for (let k = 0; k < count; k++) {
    let payload: unknown;
    try {
      payload = mutatedRaw(dice);
    } catch {
      continue; // The picture cannot even be written as JSON.
    }
    const began = processorMs();
    const picture = look(payload, `picture ${k} of seed ${seed}`);
    slowest = Math.max(slowest, processorMs() - began);
    if (picture?.kind !== 'raw') continue;
    taken++;
    const { data, width, height, channels, isBgr } = picture;
    assert.equal(data.length, width * height * channels);
    assert.ok(data instanceof Uint8Array && isQuick(picture));
    assert.ok(sampleThumbnail(picture).every((value) => value >= -1.001 && value <= 1.001));
    const again = toPicture(payloadOf(copyOf(picture)));
    assert.deepEqual(
      [again.kind, Buffer.compare(again.data, data), (again as typeof picture).channels, (again as typeof picture).isBgr],
      ['raw', 0, channels, isBgr],
    );
    if (taken % 10 === 0) assert.equal((await decode(picture, 4, 4)).data.length, 48);
  }
  return { taken, slowest };
}

function look(payload: unknown, what: string): Picture | undefined {
  try {
    return toPicture(payload);
  } catch (thrown) {
    assert.ok(
      thrown instanceof EngineError && thrown.code === 'EBADFRAME' && thrown.message.length < 500,
      `${what}: ${String(thrown).slice(0, 500)}`,
    );
    return undefined;
  }
}
