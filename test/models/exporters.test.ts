import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Model } from '../../engine/model/model';
import type { PromptEmbeds } from '../../engine/prompt/prompt-embeds';
import { Tokenizer } from '../../engine/prompt/tokenizer';
import { relativeError, ROOT } from '../lib/reference';

/**
 * The exporters that people use, run on tiny random pipelines. They want a Python with torch, onnxscript, diffusers,
 * transformers, optimum-onnx and tokenizers; its path in EXPORTERS_PYTHON.
 */
const python = process.env.EXPORTERS_PYTHON;

interface Values {
  shape: number[];
  data: number[];
}

/** What the Python nets computed, see export_tiny.py. */
interface Expected {
  prompts: string[];
  ids: number[][];
  guidance: number | null;
  timesteps: number[];
  sample: Values;
  hidden: Values;
  pooled: Values | null;
  unet: Values;
  picture: Values;
  latent: Values;
  decoded: Values;
}

/** What one should know of each export, apart from its agreement. */
const pipelines: Record<string, { tolerance: number; warnings: RegExp[] }> = {
  sd15: { tolerance: 1e-3, warnings: [] },
  'sd21-turbo': { tolerance: 1e-3, warnings: [] },
  lcm: { tolerance: 1e-3, warnings: [/distilled/] },
  'sdxl-turbo': { tolerance: 1e-3, warnings: [] },
  'old-style': { tolerance: 1e-3, warnings: [] },
  'torch-export': { tolerance: 1e-3, warnings: [/64×64 only/] },
  'webnn-style': { tolerance: 2e-2, warnings: [/batches of 2/, /64×64 only/, /float16/] },
};

describe('models of real exporters', function () {
  this.timeout(600_000);
  let folder: string;
  const run = (script: string, ...args: string[]): Promise<unknown> =>
    promisify(execFile)(python ?? '', ['-W', 'ignore', join(ROOT, 'test/models', script), ...args], { maxBuffer: 1 << 26 });

  before(async function () {
    if (!python) {
      console.log(
        '    skipped: EXPORTERS_PYTHON does not name a Python with torch, onnxscript, diffusers, transformers, optimum-onnx and tokenizers',
      );
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'exports-'));
    await run('export_tiny.py', folder);
  });
  after(async () => {
    if (folder) await rm(folder, { recursive: true });
  });

  for (const [name, { tolerance, warnings }] of Object.entries(pipelines)) {
    it(`${name}: every net gives what it gives in Python`, async () => {
      const expected: Expected = JSON.parse(await readFile(join(folder, name, 'expected.json'), 'utf8'));
      const model = await Model.load({ model: join(folder, name) });
      assert.equal(model.warnings.length, warnings.length, model.warnings.join('\n'));
      warnings.forEach((pattern, i) => assert.match(model.warnings[i], pattern));
      const agrees = (got: Float32Array, { data }: Values, what: string): void => {
        const error = relativeError(got, Float32Array.from(data));
        assert.ok(error < tolerance, `${what} is off by ${error}`);
      };

      const conditionings: PromptEmbeds[] = [];
      for (const prompt of expected.prompts) conditionings.push(await model.textEncoder.encodeText(prompt));
      agrees(joined(conditionings.map(({ hiddenStates }) => hiddenStates)), expected.hidden, 'the text embedding');
      if (expected.pooled)
        agrees(
          joined(conditionings.map(({ pooled }) => pooled ?? new Float32Array())),
          expected.pooled,
          'the embedding of the whole prompt',
        );
      // The other prompt has a "!", which a second tokenizer that pads with it reads as another id.
      const byTokens = await model.textEncoder.encodeTokens(expected.ids[0]);
      assert.deepEqual(byTokens.hiddenStates, conditionings[0].hiddenStates, 'the same by token ids');

      const samples = Float32Array.from(expected.sample.data);
      const size = samples.length / expected.timesteps.length;
      const [, , height, width] = expected.sample.shape;
      const rows = expected.timesteps.map((timestep, i) => ({
        sample: samples.subarray(i * size, (i + 1) * size),
        shape: { height, width },
        timestep,
        conditioning: conditionings[i % 2],
        guidance: expected.guidance === null ? 0 : expected.guidance - 1,
      }));
      agrees(joined(await model.unet.predict(rows)), expected.unet, 'the unet, three steps in one call,');

      const [, , pictureHeight, pictureWidth] = expected.picture.shape;
      const latent = await model.vaeEncoder?.encode(Float32Array.from(expected.picture.data), pictureHeight, pictureWidth);
      assert.ok(latent);
      agrees(latent, expected.latent, 'the encoder');
      agrees(await model.vaeDecoder.decode(Float32Array.from(expected.latent.data), height, width), expected.decoded, 'the decoder');
      await model.close();
    });
  }

  for (const pad of ['end', 'bang']) {
    it(`token ids of 2,000 prompts are those of transformers, pad convention "${pad}"`, async () => {
      const prompts = join(folder, 'prompts');
      await run('token_ids.py', prompts, '2000');
      const tokenizer = await Tokenizer.load(join(prompts, pad));
      assert.ok(tokenizer);
      const all: { text: string; ids: number[] }[] = JSON.parse(await readFile(join(prompts, pad, 'prompts.json'), 'utf8'));
      assert.equal(all.length, 2000);
      for (const { text, ids } of all) assert.deepEqual(tokenizer.encode(text).ids.slice(0, ids.length), ids, JSON.stringify(text));
    });
  }
});

function joined(parts: Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}
