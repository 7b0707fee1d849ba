import assert from 'node:assert/strict';
import { join } from 'node:path';
import { OnnxNet } from '../../../engine/net/ort/onnx-net';
import { blend } from '../../../engine/prompt/prompt-embeds';
import { DualTextEncoder } from '../../../engine/prompt/dual-text-encoder';
import { TextEncoder } from '../../../engine/prompt/text-encoder';
import { Tokenizer } from '../../../engine/prompt/tokenizer';
import { tinyTextEncoder } from '../../lib/onnx-maker';
import { ROOT } from '../../lib/reference';

const config = { max_position_embeddings: 77 };
const states = { hiddenStates: 'penultimate' } as const;

describe('two text encoders as one', () => {
  const nets: OnnxNet[] = [];
  let tokenizers: Tokenizer[];
  let dual: DualTextEncoder;
  before(async () => {
    tokenizers = [];
    for (const pad of ['end', 'bang']) {
      const tokenizer = await Tokenizer.load(join(ROOT, 'test/fixtures/tokenizer', pad));
      assert.ok(tokenizer);
      tokenizers.push(tokenizer);
    }
    for (const width of [2, 3]) nets.push(await OnnxNet.load(tinyTextEncoder(width), { executionProvider: 'cpu' }));
    dual = new DualTextEncoder(
      new TextEncoder(nets[0], tokenizers[0], config, { ...states, pooled: false }),
      new TextEncoder(nets[1], tokenizers[1], config, { ...states, pooled: true }),
    );
  });
  after(() => Promise.all(nets.map((net) => net.close())));

  it('puts their embeddings side by side, each under its own padding', async () => {
    const [first, second] = tokenizers.map((tokenizer) => tokenizer.encode('a cat').ids);
    assert.notDeepEqual(first, second);
    const encoded = await dual.encodeText('a cat');
    assert.deepEqual([encoded.tokens, encoded.width, dual.width], [77, 5, 5]);
    first.forEach((id, i) => {
      const other = second[i];
      assert.deepEqual([...encoded.hiddenStates.subarray(i * 5, (i + 1) * 5)], [3 * id, 3 * id, 3 * other, 3 * other, 3 * other]);
    });
    const mean = (4 * second.reduce((sum, id) => sum + id, 0)) / 77;
    assert.ok(encoded.pooled?.length === 3 && encoded.pooled.every((value) => Math.abs(value - mean) < 1e-2));
    assert.deepEqual(await dual.encodeTokens(first), encoded);
  });

  it('blends the embeddings of whole prompts too, and starts from zeros', async () => {
    const [a, b] = [await dual.encodeText('a cat'), await dual.encodeText('night over the sea')];
    const { pooled } = blend([
      { conditioning: a, weight: 1 },
      { conditioning: b, weight: 3 },
    ]);
    assert.ok(pooled && a.pooled && b.pooled);
    assert.ok(Math.abs(pooled[0] - (a.pooled[0] + 3 * b.pooled[0]) / 4) < 1e-2);
    const blank = dual.blank();
    assert.deepEqual([blank.hiddenStates.length, blank.pooled], [77 * 5, new Float32Array(3)]);
  });

  it('needs the layers of the first and the embedding of the second', () => {
    const without = (name: RegExp) => ({
      ...nets[0],
      inputs: nets[0].inputs,
      outputs: nets[0].outputs.filter((output) => !name.test(output.name)),
      run: nets[0].run,
      close: nets[0].close,
    });
    assert.throws(() => new TextEncoder(without(/^hidden_states/), undefined, config, { ...states, pooled: false }), {
      code: 'EBADMODEL',
      message: /hidden_states/,
    });
    assert.throws(() => new TextEncoder(without(/^text_embeds/), undefined, config, { ...states, pooled: true }), {
      code: 'EBADMODEL',
      message: /text_embeds/,
    });
  });
});
