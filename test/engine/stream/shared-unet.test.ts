import assert from 'node:assert/strict';
import { ALONE } from '../../../engine/net/pool/place';
import type { Unet } from '../../../engine/model/unet/unet';
import type { PromptEmbeds } from '../../../engine/prompt/prompt-embeds';
import { SharedUnet } from '../../../engine/stream/shared-unet';
import type { Evaluation } from '../../../engine/diffusion/stream-batch';

const evaluation = { shape: { height: 4, width: 4 }, conditioning: { tokens: 2, width: 8 } } as unknown as Evaluation<PromptEmbeds>;

/** Stands in for the net, whose answers do not matter here: counts rows, and takes 5 ms a run. */
function countingUnet(runs: number[]): Unet {
  const predict = async (rows: unknown[]): Promise<Float32Array[]> => {
    runs.push(rows.length);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return rows.map(() => new Float32Array(1));
  };
  return { place: ALONE, predict } as unknown as Unet;
}

describe('a UNet that streams share', () => {
  it('computes for streams together that began while another one was computed for, and goes on so', async () => {
    const runs: number[] = [];
    const unet = new SharedUnet(countingUnet(runs));
    const stream = async (): Promise<void> => {
      for (let frame = 0; frame < 10; frame++) await unet.predict([evaluation, evaluation]);
    };
    const first = stream();
    await new Promise((resolve) => setTimeout(resolve, 2));
    await Promise.all([first, stream(), stream()]);
    assert.deepEqual(runs.slice(0, 2), [2, 6]);
    assert.equal(runs.filter((rows) => rows === 6).length, 9, `rows a run: ${runs}`);
  });

  it('makes a single stream wait for nobody', async () => {
    const runs: number[] = [];
    const unet = new SharedUnet(countingUnet(runs));
    for (let frame = 0; frame < 3; frame++) assert.equal((await unet.predict([evaluation])).length, 1);
    assert.deepEqual(runs, [1, 1, 1]);
  });
});
