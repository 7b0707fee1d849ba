import assert from 'node:assert/strict';
import { processorMs } from '../../lib/strain';
import { EngineError } from '../../../engine/errors';
import { quote, shorten } from '../../../engine/util/quote';
import { resolveOptions } from '../../../engine/diffusion/options';
import type { StreamOptions } from '../../../engine/types';
import { readNumber } from '../../../nodes/lib/common/fields';
import { readConditioning, readPrompt } from '../../../nodes/lib/prompt/texts';
import { readParams } from '../../../nodes/lib/denoiser/stream-settings';

const million = Array.from({ length: 1_000_000 }, (_, k) => k);
const text = million.join(' ');
const long = 'x'.repeat(10_000_000);
const circular: Record<string, unknown> = { text: 'a' };
circular.self = circular;
circular.text = circular;
const current: StreamOptions = { mode: 'img2img', width: 64, height: 64, tIndexList: [25] };

/** The message with which it fails, and how much processor time that took, ms. */
function failure(work: () => unknown): { message: string; ms: number } {
  const began = processorMs();
  try {
    work();
  } catch (thrown) {
    assert.ok(thrown instanceof EngineError && thrown.code !== 'EINTERNAL', String(thrown).slice(0, 300));
    return { message: thrown.message, ms: processorMs() - began };
  }
  throw new Error('it did not fail');
}

describe('values in error messages', () => {
  it('are short, whatever they are, and nothing of them is called', () => {
    const trap = {
      get secret() {
        throw new Error('called');
      },
      toString: () => {
        throw new Error('called');
      },
      toJSON: () => {
        throw new Error('called');
      },
    };
    const values: unknown[] = [
      undefined,
      null,
      true,
      -0,
      NaN,
      10n ** 5000n,
      Symbol(long),
      () => long,
      '',
      long,
      [],
      million,
      [1, 2],
      circular,
      trap,
      Object.create(null),
      new Map(),
      new Date(NaN),
      Buffer.alloc(9),
      new Float32Array(5),
      new DataView(new ArrayBuffer(3)),
      { [long]: 1 },
      Object.fromEntries(million.slice(0, 1000).map((k) => [`n${k}`, k])),
    ];
    for (const value of values) assert.ok(quote(value).length < 150, quote(value).slice(0, 200));
    assert.deepEqual(['a', 5, [1, 2], million, long].map(quote), [
      '"a"',
      '5',
      '[1, 2]',
      'an array of 1000000',
      `"${'x'.repeat(60)}… (10000000 characters)"`,
    ]);
    assert.equal(shorten(`${'x'.repeat(9)}🙂🙂`, 10), `${'x'.repeat(9)}… (13 characters)`);
    assert.equal(shorten('short'), 'short');
  });

  it('of others make no error longer than a page', () => {
    assert.ok(new EngineError('EHOST', long).message.length < 4100);
    assert.ok(EngineError.from(new Error(long), 'EHOST', 'it said: ').message.length < 4100);
  });

  it('are refused by their lengths before their contents, at once and in a sentence', () => {
    const works: Record<string, () => unknown> = {
      seeds: () => readParams({ seeds: million }, current),
      'seeds as a text': () => readParams({ seeds: text }, current),
      tIndexList: () => readParams({ tIndexList: million }, current),
      'a setting by a long name': () => readParams({ [long]: 1 }, current),
      'a long text as a number': () => readNumber(long, 'width'),
      'a million for a number': () => readParams({ width: million }, current),
      'options of the library': () => resolveOptions({ ...current, tIndexList: million }, 8),
      'seeds of the library': () => resolveOptions({ ...current, seeds: million as never }, 8),
      'a circular value in the library': () => resolveOptions({ ...current, width: circular as never }, 8),
      'a list of prompts': () => readPrompt(million, 'msg.prompt'),
      'a long prompt': () => readPrompt(long, 'msg.prompt'),
      'long prompts together': () =>
        readPrompt(
          Array.from({ length: 32 }, () => 'lake '.repeat(1900)),
          'msg.prompt',
        ),
      'a conditioning of 10 MB': () => readConditioning({ prompt: long }),
      'a circular conditioning': () => readConditioning({ prompt: circular }),
      'a conditioning that comes from itself': () => {
        const conditioning: Record<string, unknown> = { prompt: 'sea' };
        conditioning.transition = { from: conditioning, position: 0.5 };
        return readConditioning(conditioning);
      },
      'a conditioning that comes from much': () => {
        let conditioning: object = { prompt: 'a' };
        for (let k = 0; k < 20; k++)
          conditioning = {
            prompt: 'lake '.repeat(1900),
            negativePrompt: 'rain '.repeat(1900),
            transition: { from: conditioning, position: 0.5 },
          };
        return readConditioning(conditioning);
      },
    };
    for (const [what, work] of Object.entries(works)) {
      const { message, ms } = failure(work);
      assert.ok(message.length < 1200, `${what}: ${message.length} characters`);
      assert.ok(ms < 300, `${what}: ${ms} ms`);
    }
  });
});
