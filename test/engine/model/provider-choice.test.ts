import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { Engine } from '../../../engine/engine';
import { chooseProvider, type ProviderChoice, recallChoice } from '../../../engine/host/client';
import { providersHere } from '../../../engine/net/ort/provider-reports';
import { REFERENCE_MODEL } from '../../lib/reference';
import { withProviders } from '../../lib/stub-providers';

const ENGINE = { model: REFERENCE_MODEL, executionProviders: ['automatic'] };
/** The two that there can be beside the processor. */
const [CARD, OTHER] = providersHere();

const reasonOf = ({ tried }: ProviderChoice, provider: string): string | undefined => tried.find(({ name }) => name === provider)?.reason;

describe('automatic choice of an execution provider', function () {
  this.timeout(300_000);
  before(function () {
    if (providersHere().length >= 3) return;
    console.log('    skipped: ONNX Runtime has too few execution providers for this system to be stood in for');
    this.skip();
  });

  it('takes the fastest that paints as the processor does, says what was tried, and remembers it', async () => {
    await withProviders({ cpu: 'slow', [CARD]: 'slow', [OTHER]: 'right' }, async (memory) => {
      assert.equal(await recallChoice(ENGINE), undefined);
      const choice = await chooseProvider(ENGINE);
      assert.deepEqual(choice.providers, [OTHER, 'cpu']);
      assert.deepEqual(
        choice.tried.map(({ name }) => name),
        [CARD, OTHER, 'cpu'],
      );
      const [slow, fast, processor] = choice.tried;
      assert.ok((fast.difference as number) < 1e-2, JSON.stringify(choice));
      assert.ok((fast.ms as number) < (slow.ms as number) && (slow.ms as number) < (processor.ms as number), JSON.stringify(choice));
      assert.deepEqual(await recallChoice(ENGINE), choice);
      assert.equal(await recallChoice({ ...ENGINE, int8: false }), undefined, 'another engine is another question');
      await writeFile(memory, JSON.stringify({ ...JSON.parse(await readFile(memory, 'utf8')) }).replaceAll(OTHER, '../x'));
      assert.equal(await recallChoice(ENGINE), undefined, 'what makes no sense is tried again');
    });
  });

  for (const [one, another, why] of [
    ['lies', 'lies a little', [/differ from the processor/, /differ from the processor's \(by 0\.0\d+; at most 0\.01 is allowed\)/]],
    ['nan', 'crashes', [/gave NaN instead of numbers/, /crashes/]],
  ] as const) {
    it(`never takes one that is wrong, however fast: ${one}, ${another}`, async () => {
      await withProviders({ cpu: 'slow', [CARD]: one, [OTHER]: another }, async () => {
        const choice = await chooseProvider(ENGINE);
        assert.deepEqual(choice.providers, ['cpu']);
        assert.match(reasonOf(choice, CARD) as string, why[0]);
        assert.match(reasonOf(choice, OTHER) as string, why[1]);
      });
    });
  }

  it('never takes one that is slower than the processor', async () => {
    await withProviders({ [CARD]: 'slow' }, async () => {
      const choice = await chooseProvider(ENGINE);
      assert.deepEqual(choice.providers, ['cpu']);
      assert.match(reasonOf(choice, CARD) as string, /not faster/);
    });
  });

  it('ends at its deadline where one hangs, as it is opened or as it runs', async () => {
    // As long as the processor and a sound card need together here and now, so that the processor is never late itself.
    const began = performance.now();
    await withProviders({ [CARD]: 'right' }, () => chooseProvider(ENGINE));
    const seconds = Math.max(5, Math.ceil((performance.now() - began) / 1000));
    await withProviders({ [CARD]: 'hangs', [OTHER]: 'hangs at a session' }, async () => {
      const choice = await chooseProvider(ENGINE, { limitMs: 1000 * seconds });
      assert.deepEqual(choice.providers, ['cpu']);
      for (const name of [CARD, OTHER]) assert.equal(reasonOf(choice, name), `it has not rendered a frame within ${seconds} s`);
    });
  });

  it('without a card is done soon, and loads no model for it', async () => {
    await withProviders({}, async () => {
      const began = performance.now();
      const choice = await chooseProvider({ ...ENGINE, executionProviders: ['automatic:1'] });
      assert.deepEqual(choice.providers, ['cpu']);
      assert.ok(choice.tried.every(({ ms }) => ms === undefined));
      console.log(`      ${Math.round(performance.now() - began)} ms`);
    });
  });

  it('can be ended, and is nothing to be remembered then', async () => {
    await withProviders({ [CARD]: 'hangs' }, async () => {
      const end = new AbortController();
      const choosing = chooseProvider(ENGINE, { signal: end.signal });
      setTimeout(() => end.abort(), 3000);
      await assert.rejects(choosing);
      assert.equal(await recallChoice(ENGINE), undefined);
    });
  });

  it('fails as the engine does where there is no model', async () => {
    await withProviders({ [CARD]: 'right' }, async () => {
      await assert.rejects(chooseProvider({ ...ENGINE, model: '/nowhere' }), { code: 'ENOMODEL' });
    });
  });

  it('is one for the library as well', async () => {
    await withProviders({}, async () => {
      const engine = await Engine.load(ENGINE);
      assert.equal(engine.info.executionProvider, 'cpu');
      await engine.close();
    });
  });
});
