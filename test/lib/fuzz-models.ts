import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspectModel } from '../../engine/model/folder';
import { findFiles } from '../../engine/model/files';
import { readHeaders } from '../../engine/model/headers';
import { externalFilesOf } from '../../engine/net/onnx/external';
import { readOnnxGraph } from '../../engine/net/onnx/graph';
import { EngineError } from '../../engine/errors';
import { Dice } from './dice';
import { mutate } from './mutations';
import { externalWeight, node, onnxModel, tinyKlEncoder, tinyTextEncoder, tinyUnet, value } from './onnx-maker';
import { processorMs } from './strain';
import { PATIENCE } from './until';

export interface ModelFuzz {
  folders: number;
  /** The number of folders that could still be used, and of those that could not. */
  usable: number;
  refused: number;
  faults: string[];
  /** The processor time of the longest check, ms. */
  longestMs: number;
  /** Resident memory at the beginning and at its peak, bytes. */
  memory: { before: number; peak: number };
}

const TEXTS: Record<string, string> = {
  'unet/config.json': JSON.stringify({ in_channels: 4, sample_size: 8, cross_attention_dim: 32, time_cond_proj_dim: null }),
  'vae_decoder/config.json': JSON.stringify({
    _class_name: 'AutoencoderKL',
    latent_channels: 4,
    block_out_channels: [1, 1, 1, 1],
    scaling_factor: 0.18,
  }),
  'text_encoder/config.json': JSON.stringify({ max_position_embeddings: 77, hidden_size: 32, vocab_size: 1000, projection_dim: 32 }),
  'scheduler/scheduler_config.json': JSON.stringify({
    num_train_timesteps: 1000,
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    prediction_type: 'epsilon',
    original_inference_steps: 50,
    timestep_scaling: 10,
  }),
  'tokenizer/vocab.json': JSON.stringify({ '<|startoftext|>': 0, '<|endoftext|>': 1, a: 2, 'a</w>': 3, 'b</w>': 4, 'ab</w>': 5 }),
  'tokenizer/merges.txt': '#version: 0.2\na b</w>\n',
  'tokenizer/tokenizer_config.json': JSON.stringify({
    model_max_length: 77,
    bos_token: '<|startoftext|>',
    eos_token: { content: '<|endoftext|>' },
    pad_token: null,
  }),
  'unet/int8.json': JSON.stringify({ ranges: { scaled: [-1, 1] } }),
};
const NETS: Record<string, Buffer> = {
  'text_encoder/model.onnx': tinyTextEncoder(32),
  'unet/model.onnx': tinyUnet({ timestepShape: [], expand: true }),
  'vae_encoder/model.onnx': tinyKlEncoder(),
  'vae_decoder/model.onnx': onnxModel({
    inputs: [value('latent_sample', 'float32', ['b', 4, 'h', 'w'])],
    outputs: [value('sample', 'float32', ['b', 3, 'height', 'width'])],
    weights: [externalWeight('w', [4, 3, 8, 8], 'model.onnx_data')],
    nodes: [node('ConvTranspose', ['latent_sample', 'w'], 'sample', { strides: [8, 8] })],
  }),
};
const ORIGINALS: Record<string, Buffer> = {
  ...NETS,
  ...Object.fromEntries(Object.entries(TEXTS).map(([name, text]) => [name, Buffer.from(text)])),
  'vae_decoder/model.onnx_data': Buffer.alloc(4 * 3 * 64 * 4),
};

/** Replacements for a value in a config: too small, too large, of another type. */
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e9,
  1e308,
  -1e308,
  '',
  'x',
  '1000',
  'x'.repeat(5000),
  [],
  {},
  [[]],
  [1, 2],
  new Array(300).fill(1),
  { content: {} },
  '\u0000',
  '../../x',
];

/** Gives model folders with damaged headers and configs to all code that reads them before ONNX Runtime does. */
export async function fuzzModels(folders: number, seed: number): Promise<ModelFuzz> {
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'));
  const dice = new Dice(seed);
  const write = async (name: string, content: Uint8Array): Promise<void> => {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  };
  for (const [name, content] of Object.entries(ORIGINALS)) await write(name, content);
  globalThis.gc?.();
  const rss = (): number => process.memoryUsage.rss();
  const result: ModelFuzz = { folders, usable: 0, refused: 0, faults: [], longestMs: 0, memory: { before: rss(), peak: 0 } };
  const names = Object.keys(ORIGINALS).filter((name) => !name.endsWith('_data'));
  for (let n = 0; n < folders; n++) {
    const changed = Array.from({ length: 1 + dice.below(2) }, () => dice.one(names));
    for (const name of changed) await write(name, damaged(name, dice));
    const started = processorMs();
    const ending = await Promise.race([look(folder), sleep(PATIENCE, 'it did not end', { ref: false })]);
    if (ending === 'usable' || ending === 'refused') result[ending]++;
    else result.faults.push(`folder ${n} of seed ${seed} (${changed.join()}): ${ending}`);
    result.longestMs = Math.max(result.longestMs, processorMs() - started);
    result.memory.peak = Math.max(result.memory.peak, rss());
    for (const name of changed) await write(name, ORIGINALS[name]);
  }
  if ((await look(folder)) !== 'usable') result.faults.push('the sound folder at the end');
  await rm(folder, { recursive: true });
  return result;
}

function damaged(name: string, dice: Dice): Buffer {
  const original = ORIGINALS[name];
  if (!name.endsWith('.json') || dice.below(2) === 0) return mutate(original, dice, Object.values(ORIGINALS));
  const config = JSON.parse(original.toString('utf8')) as Record<string, unknown>;
  for (let k = dice.below(3); k >= 0; k--) config[dice.one(Object.keys(config))] = dice.one(VALUES);
  return Buffer.from(JSON.stringify(config));
}

async function look(folder: string): Promise<string> {
  const report = await inspectModel(folder);
  const said = report.problems.join();
  if (said.length > 10_000 || /[\p{Cc}]/u.test(said)) return `it says ${JSON.stringify(said.slice(0, 300))}`;
  try {
    const files = await findFiles(folder);
    await readHeaders(files);
    for (const net of Object.values(files.nets)) externalFilesOf(await readOnnxGraph(net.path));
  } catch (thrown) {
    if (!(thrown instanceof EngineError)) return String((thrown as Error).stack).slice(0, 500);
  }
  return report.usable ? 'usable' : 'refused';
}
