import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Net } from '../../../engine/net/net';
import { OnnxNet } from '../../../engine/net/ort/onnx-net';
import { PromptEncoder } from '../../../engine/prompt/prompt-encoder';
import { TextEncoder } from '../../../engine/prompt/text-encoder';
import { Tokenizer } from '../../../engine/prompt/tokenizer';
import { node, onnxModel, tinyTextEncoder, value, weight } from '../../lib/onnx-maker';
import { recording, REFERENCE_MODEL, relativeError, ROOT } from '../../lib/reference';

const config = { max_position_embeddings: 77, hidden_size: 32, vocab_size: 1000 };

/** The same net, and how often it ran. */
function counted(net: Net): Net & { runs: number } {
  return {
    inputs: net.inputs,
    outputs: net.outputs,
    runs: 0,
    close: () => net.close(),
    run(feeds) {
      this.runs++;
      return net.run(feeds);
    },
  };
}

describe('text encoder', () => {
  let net: Net & { runs: number };
  let encoder: TextEncoder;
  const ids = (seed: number): number[] => Array.from({ length: 77 }, (_, i) => (seed * 131 + i * 7) % 1000);
  beforeEach(async () => {
    net = counted(await OnnxNet.load(join(REFERENCE_MODEL, 'text_encoder/model.onnx'), { executionProvider: 'cpu' }));
    encoder = new TextEncoder(net, undefined, config);
  });
  afterEach(() => encoder.close());

  it('gives one embedding a token, another one for another prompt', async () => {
    const [first, second] = Object.values(recording('img2img-2step-update-prompt').token_ids);
    const [a, b] = [await encoder.encodeTokens(first), await encoder.encodeTokens(second)];
    assert.deepEqual([a.tokens, a.width, a.hiddenStates.length], [77, 32, 77 * 32]);
    assert.ok(a.hiddenStates.every(Number.isFinite));
    assert.ok(relativeError(b.hiddenStates, a.hiddenStates) > 0.1);
    const blank = encoder.blank();
    assert.deepEqual([blank.tokens, blank.width, blank.hiddenStates.length], [77, 32, 77 * 32]);
  });

  it('rests while prompts stay: what was encoded is kept by its content', async () => {
    const first = await encoder.encodeTokens(ids(1));
    assert.equal(await encoder.encodeTokens([...ids(1)]), first);
    assert.equal(net.runs, 1);
    const together = await Promise.all([encoder.encodeTokens(ids(2)), encoder.encodeTokens(ids(2)), encoder.encodeTokens(ids(3))]);
    assert.equal(together[0], together[1]);
    assert.notEqual(together[0], together[2]);
    assert.equal(net.runs, 3);
  });

  it('forgets what was not used for longest, and never grows', async () => {
    const kept = await encoder.encodeTokens(ids(0));
    for (let seed = 1; seed < 64; seed++) await encoder.encodeTokens(ids(seed));
    assert.equal(await encoder.encodeTokens(ids(0)), kept);
    await encoder.encodeTokens(ids(64));
    assert.equal(net.runs, 65);
    assert.equal(await encoder.encodeTokens(ids(0)), kept, 'used lately, so still there');
    await encoder.encodeTokens(ids(1));
    assert.equal(net.runs, 66, 'the one used least lately was forgotten');
  });

  it('refuses ids of a wrong number or kind with both lengths', async () => {
    await assert.rejects(encoder.encodeTokens(ids(1).slice(1)), { code: 'EBADPROMPT', message: /takes 77 token ids, got 76/ });
    await assert.rejects(encoder.encodeTokens([]), { code: 'EBADPROMPT', message: /77.*got 0/ });
    await assert.rejects(encoder.encodeTokens([...ids(1).slice(1), 1.5]), { code: 'EBADPROMPT', message: /1\.5/ });
    await assert.rejects(encoder.encodeTokens([...ids(1).slice(1), -1]), { code: 'EBADPROMPT', message: /-1/ });
  });

  it('keeps no failure: the next try runs again', async () => {
    const outside = [...ids(1).slice(1), 1000];
    await assert.rejects(encoder.encodeTokens(outside), { code: 'EBADPROMPT', message: /below 1000; got 1000/ });
    const unaware = new TextEncoder(net, undefined, {});
    await assert.rejects(unaware.encodeTokens(outside), { code: 'EBADMODEL' });
    await assert.rejects(unaware.encodeTokens(outside), { code: 'EBADMODEL' });
    assert.equal(net.runs, 2);
    assert.equal((await unaware.encodeTokens(ids(1))).tokens, 77);
  });

  it('refuses texts where the model has no tokenizer', async () => {
    await assert.rejects(encoder.encodeText('a cat'), { code: 'EBADPROMPT', message: /no tokenizer.*tokenIds/ });
  });

  it('rejects with ECLOSED after it was closed', async () => {
    await encoder.encodeTokens(ids(1));
    await encoder.close();
    await assert.rejects(encoder.encodeTokens(ids(1)), { code: 'ECLOSED' });
  });

  it('encodes the texts of the embedded model, equal ones once', async () => {
    const folder = join(ROOT, 'models/starter');
    const starter = counted(await OnnxNet.load(join(folder, 'text_encoder/model.onnx'), { executionProvider: 'cpu' }));
    const texts = new TextEncoder(starter, await Tokenizer.load(join(folder, 'tokenizer')), {});
    const night = await texts.encodeText('night over the sea');
    assert.deepEqual([night.tokens, night.width], [texts.tokens, texts.width]);
    assert.equal(await texts.encodeText(' Night,  over the SEA!'), night);
    assert.equal(starter.runs, 1);
    assert.ok(relativeError((await texts.encodeText('a desert')).hiddenStates, night.hiddenStates) > 0.1);
    await texts.close();
  });

  describe('with weights in a prompt', () => {
    let texts: TextEncoder;
    before(async () => {
      const tokenizer = await Tokenizer.load(join(ROOT, 'test/fixtures/tokenizer/end'));
      texts = new TextEncoder(await OnnxNet.load(tinyTextEncoder(2), { executionProvider: 'cpu' }), tokenizer, config);
    });
    after(() => texts.close());
    /** The first number of each token's embedding. */
    const of = async (text: string): Promise<number[]> => [...(await texts.encodeText(text)).hiddenStates].filter((_, i) => i % 2 === 0);

    it('moves the weighted tokens from the empty prompt or towards it, and no others', async () => {
      const [plain, empty] = [await of('a cat at night'), await of('')];
      const weighted = await of('a (cat:1.5) at (night:0)');
      assert.notDeepEqual(plain.slice(0, 5), empty.slice(0, 5));
      const weights = [1, 1, 1.5, 1, 0];
      weighted
        .slice(0, 5)
        .forEach((value, i) => assert.ok(Math.abs(value - (empty[i] + weights[i] * (plain[i] - empty[i]))) < 1e-2, `token ${i}`));
      assert.deepEqual(weighted.slice(5), plain.slice(5));
    });

    it('changes nothing at a weight of 1', async () => {
      assert.equal(await texts.encodeText('a (cat:1) at night'), await texts.encodeText('a cat at night'));
    });

    it('says what of a prompt is left out', () => {
      assert.deepEqual(texts.warnings('a cat'), []);
      assert.deepEqual(texts.warnings('at '.repeat(75)), []);
      assert.deepEqual(texts.warnings('(at :1.2)'.repeat(80)), ['The prompt takes 82 tokens, this model reads 77: its end is left out.']);
    });
  });

  it('says which words a model with a list of words does not know', async () => {
    const net = await OnnxNet.load(tinyTextEncoder(2), { executionProvider: 'cpu' });
    const words = new TextEncoder(net, await Tokenizer.load(join(ROOT, 'models/starter/tokenizer')), config);
    assert.deepEqual(words.warnings('(zeppelin:1.2) sea, quokka'), ['This model does not know: zeppelin, quokka.']);
    const encoder = new PromptEncoder(words);
    const { warnings } = await encoder.encode({
      prompt: [
        { text: 'sea', weight: 1 },
        { text: 'zeppelin', weight: 1 },
      ],
      negativePrompt: [{ text: 'zeppelin', weight: 1 }],
    });
    assert.deepEqual(warnings, ['This model does not know: zeppelin.']);
    await words.close();
  });

  it('shows a net with a mask all tokens, the padding too, and one for two prompts the same twice', async () => {
    const graph = onnxModel({
      inputs: [value('input_ids', 'int64', [2, 2]), value('attention_mask', 'int64', [2, 2])],
      outputs: [value('last_hidden_state', 'float32', [2, 2, 1])],
      weights: [weight('last', [1], BigInt64Array.of(2n))],
      nodes: [
        node('Mul', ['input_ids', 'attention_mask'], 'seen'),
        node('Cast', ['seen'], 'x', { to: 1 }),
        node('Unsqueeze', ['x', 'last'], 'last_hidden_state'),
      ],
    });
    const masked = new TextEncoder(await OnnxNet.load(graph, { executionProvider: 'cpu' }), undefined, {});
    assert.deepEqual((await masked.encodeTokens([7, 49407])).hiddenStates, Float32Array.of(7, 49407));
    await masked.close();
  });

  for (const type of ['int32', 'int64'] as const) {
    it(`feeds ${type} ids, and takes float16 embeddings and sizes from the config`, async () => {
      const graph = onnxModel({
        inputs: [value('input_ids', type, ['batch', 'sequence'])],
        outputs: [value('last_hidden_state', 'float16', ['batch', 'sequence', 'width'])],
        weights: [weight('last', [1], BigInt64Array.of(2n))],
        nodes: [node('Cast', ['input_ids'], 'x', { to: 10 }), node('Unsqueeze', ['x', 'last'], 'last_hidden_state')],
      });
      const odd = new TextEncoder(await OnnxNet.load(graph, { executionProvider: 'cpu' }), undefined, {
        max_position_embeddings: 4,
        hidden_size: 1,
      });
      assert.deepEqual(await odd.encodeTokens([5, 6, 7, 49407 % 1024]), {
        hiddenStates: Float32Array.of(5, 6, 7, 255),
        tokens: 4,
        width: 1,
      });
      await odd.close();
    });
  }
});
