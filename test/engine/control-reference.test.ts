import assert from 'node:assert/strict';
import { Engine, type Output } from '../../engine';
import { controlCase, controlCases, PATHS } from '../lib/control-cases';
import { REFERENCE_MODEL, relativeError } from '../lib/reference';

const TOLERANCE = 1e-4;
const CASES = controlCases();

describe('adapters agree with what PyTorch computes', () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.load({
      model: REFERENCE_MODEL,
      adapters: { depth: PATHS.depth, lines: PATHS.lines, style: PATHS.style, detail: PATHS.detail, picture: PATHS.picture },
    });
  });
  after(() => engine.close());

  it('and are told apart by their files', () => {
    assert.deepEqual(
      engine.info.adapters.map(({ name, kind }) => [name, kind]),
      [
        ['depth', 'controlnet'],
        ['lines', 'controlnet'],
        ['picture', 'ip-adapter'],
        ['detail', 'lora'],
        ['style', 'lora'],
      ],
    );
  });

  for (const name of CASES) {
    it(name, async () => {
      const reference = controlCase(name);
      const { case: settings, tokenIds } = reference;
      const off = Object.fromEntries(engine.info.adapters.map((adapter) => [adapter.name, 0]));
      const weights = {
        ...off,
        ...settings.controls,
        ...settings.loras,
        ...(settings.ip_adapter && { picture: settings.ip_adapter.scale }),
      };
      const image = reference.prompt();
      const stream = await engine.createStream({ ...reference.options, weights });
      await stream.setPrompt({
        tokenIds: tokenIds[settings.prompt],
        negativeTokenIds: tokenIds[settings.negative_prompt],
        ...(image && { images: { picture: image } }),
      });
      const outputs: Output[] = [];
      for (let frame = 0; frame < settings.frames; frame++)
        outputs.push(...(await stream.process({ id: frame, pictures: reference.pictures(frame) })));
      assert.equal(outputs.length, settings.frames - settings.t_index_list.length + 1);
      for (const { id, latent } of outputs) {
        const error = relativeError(latent, reference.x0(Number(id)));
        assert.ok(error <= TOLERANCE, `frame ${id} is off by ${error} standard deviations`);
      }
      await stream.close();
    });
  }
});
