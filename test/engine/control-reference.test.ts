import assert from 'node:assert/strict';
import { Engine } from '../../engine';
import { controlCase, controlCases, paintCase, PATHS } from '../lib/control-cases';
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
      const { case: settings } = reference;
      const outputs = await paintCase(engine, reference);
      assert.equal(outputs.length, settings.frames - settings.t_index_list.length + 1);
      for (const { id, latent } of outputs) {
        const error = relativeError(latent, reference.x0(Number(id)));
        assert.ok(error <= TOLERANCE, `frame ${id} is off by ${error} standard deviations`);
      }
    });
  }
});
