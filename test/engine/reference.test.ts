import assert from 'node:assert/strict';
import { Engine, type Output, type StreamOptions } from '../../engine';
import { recording, REFERENCE_MODEL, relativeError, streamOptions } from '../lib/reference';

const TOLERANCE = 1e-4;

const CASES = [
  'img2img-1step-none',
  'img2img-2step-none-1.0-1.0',
  'img2img-2step-full-1.5-1.0',
  'img2img-2step-self-1.2-1.0',
  'img2img-2step-self-1.4-0.5',
  'img2img-2step-initialize-1.4-0.5',
  'img2img-2step-update-prompt',
  'img2img-3step-none-no-add-noise',
  'img2img-4step-self',
  'txt2img-4step-none',
  'txt2img-sequential-no-add-noise',
];

describe('agreement with the reference implementation', () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.load({ model: REFERENCE_MODEL });
  });
  after(() => engine.close());

  for (const name of CASES) {
    it(`${name}: latents and pictures of every frame`, async () => {
      const reference = recording(name);
      const { case: settings, token_ids: ids } = reference;
      const stream = await engine.createStream(streamOptions(reference));
      const setPrompt = (prompt: string) => stream.setPrompt({ tokenIds: ids[prompt], negativeTokenIds: ids[settings.negative_prompt] });
      await setPrompt(settings.prompt);

      const started = reference.tensor('x_t').data;
      const size = started.length / settings.frames;
      const outputs: Output[] = [];
      for (let call = 0; call < settings.frames; call++) {
        const [updateAt, updated] = settings.update_prompt_at ?? [];
        if (call === updateAt) await setPrompt(updated as string);
        const input =
          settings.mode === 'img2img' ? { image: reference.frame(call) } : { latent: started.slice(call * size, (call + 1) * size) };
        outputs.push(...(await stream.process({ ...input, id: call })));
      }

      // What the reference returns in its first n-1 calls comes from empty rows; frame f is what its call f+n-1 returned.
      const lag = settings.use_denoising_batch ? settings.t_index_list.length - 1 : 0;
      assert.deepEqual(
        outputs.map((output) => output.id),
        Array.from({ length: settings.frames - lag }, (_, f) => f),
      );
      const [x0, image] = [reference.tensor('x0').data, reference.tensor('image').data];
      for (const [f, output] of outputs.entries()) {
        const call = f + lag;
        const latentError = relativeError(output.latent, x0.subarray(call * size, (call + 1) * size));
        assert.ok(latentError <= TOLERANCE, `latent of frame ${f} is off by ${latentError} standard deviations`);
        const planes = image.subarray((call * image.length) / settings.frames, ((call + 1) * image.length) / settings.frames);
        assert.ok(worstByte(output.image.data, planes) <= 1, `picture of frame ${f}`);
      }
      await stream.close();
    });
  }

  it('a recorded stream makes other pictures with another seed, guidance or prompt', async () => {
    const reference = recording('img2img-2step-self-1.4-0.5');
    const ids = reference.token_ids[reference.case.prompt];
    const expected = reference.tensor('x0').data.subarray(256, 512);
    const changes: (Partial<StreamOptions> & { tokenIds?: number[] })[] = [
      { seed: 3 },
      { guidanceScale: 1.2 },
      { delta: 1 },
      { tokenIds: ids.map((id) => (id === 117 ? 118 : id)) },
    ];
    for (const { tokenIds = ids, ...change } of changes) {
      const stream = await engine.createStream({ ...streamOptions(reference), ...change });
      await stream.setPrompt({ tokenIds });
      await stream.process({ image: reference.frame(0) });
      const [first] = await stream.process({ image: reference.frame(1) });
      assert.ok(relativeError(first.latent, expected) > 10 * TOLERANCE, JSON.stringify(change));
    }
  });
});

/** The largest difference in steps of 1/255 between interleaved bytes and float planes in -1..1. */
function worstByte(bytes: Uint8Array, planes: Float32Array): number {
  const positions = bytes.length / 3;
  let worst = 0;
  for (let k = 0; k < bytes.length; k++) {
    const value = Math.min(255, Math.max(0, (planes[(k % 3) * positions + Math.floor(k / 3)] / 2 + 0.5) * 255));
    worst = Math.max(worst, Math.abs(bytes[k] - value));
  }
  return worst;
}
