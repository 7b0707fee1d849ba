import type { InferenceSession } from 'onnxruntime-node';
import { basename, dirname, join } from 'node:path';
import { EngineError } from '../../errors';
import { decode } from '../../image/codec';
import type { RawImage } from '../../types';
import { readJson } from '../../util/json-file';
import { quote } from '../../util/quote';
import type { TensorInfo } from '../net';
import { openSession, ortTensor } from '../ort/onnx-net';
import { colourTables, type ColourTables, type NetInput, netInput, toNetTensor } from './net-input';
import { findNet, type Preprocessor, preprocessorOf, tablesOf } from './picture-net';

export interface ClassifierSettings {
  /** An .onnx file, or a folder with `model.onnx`. */
  file: string;
  executionProvider: string;
}

/** The labels of classifiers for pictures that not everybody should see. */
const UNSAFE = /nsfw|unsafe|porn|hentai|sex|explicit|nud|violen|gore|^(medium|high)$/i;
const USUAL_SIDE = 224;

/**
 * A net that rates how unfit a picture is for a public room: Stable Diffusion's `safety_checker` (`clip_input`, `images` →
 * `has_nsfw_concepts`), or any classifier of one picture. It runs in this process and blocks it meanwhile.
 */
export class Classifier {
  private constructor(
    private readonly session: InferenceSession,
    private readonly inputs: { input: NetInput; type: TensorInfo['type']; tables: ColourTables; side: number }[],
    private readonly output: string,
    private readonly unsafe: number[],
  ) {}

  /** Rejects with ENOMODEL when there is no such file, EBADMODEL when it is not a classifier. */
  static async load({ file: path, executionProvider }: ClassifierSettings, intraOpNumThreads?: number): Promise<Classifier> {
    const file = await findNet(path);
    const name = basename(file);
    const [config, labels] = [await preprocessorOf(file), await unsafeLabels(file)];
    const session = await openSession(file, { executionProvider, intraOpNumThreads }).catch((thrown: unknown) => {
      throw EngineError.from(thrown, 'EBADMODEL', `${name} cannot be opened: `);
    });
    try {
      const inputs = session.inputMetadata.map((meta) => readInput(meta, config, name));
      const output = session.outputNames.find((each) => /nsfw/i.test(each)) ?? session.outputNames[0];
      return new Classifier(session, inputs, output, labels);
    } catch (thrown) {
      await session.release();
      throw thrown;
    }
  }

  /** The rating, 0 (fit for everybody) to 1. Rejects with EBADMODEL when the net fails or gives NaN. */
  async score(image: RawImage): Promise<number> {
    const feeds: Record<string, ReturnType<typeof ortTensor>> = {};
    for (const { input, type, tables, side } of this.inputs) {
      const [width, height] = [input.width ?? side, input.height ?? side];
      const fitting = await decode({ kind: 'raw', ...image }, width, height, 'fill');
      feeds[input.name] = ortTensor(toNetTensor(fitting, input, type, tables));
    }
    const results = await this.session.run(feeds, [this.output]).catch((thrown: unknown) => {
      throw EngineError.from(thrown, 'EBADMODEL', 'the classifier failed: ');
    });
    const values = Array.from(results[this.output].data as ArrayLike<number | boolean | bigint>, Number);
    const score = results[this.output].type === 'bool' ? Math.max(...values) : this.shareOf(values);
    if (!Number.isFinite(score)) throw new EngineError('EBADMODEL', 'the classifier gave a value that is not a number');
    return score;
  }

  close(): Promise<void> {
    return this.session.release();
  }

  /** The share of the unsafe classes in the softmax of all; a single value is a probability, or its logit. */
  private shareOf(values: number[]): number {
    if (values.length === 1) return values[0] >= 0 && values[0] <= 1 ? values[0] : 1 / (1 + Math.exp(-values[0]));
    const most = Math.max(...values);
    const weights = values.map((value) => Math.exp(value - most));
    const unsafe = this.unsafe.length > 0 ? this.unsafe : [values.length - 1];
    const sum = (list: number[]): number => list.reduce((total, value) => total + value, 0);
    return sum(unsafe.map((label) => weights[label] ?? 0)) / sum(weights);
  }
}

function readInput(
  meta: InferenceSession.ValueMetadata,
  config: Preprocessor,
  net: string,
): { input: NetInput; type: TensorInfo['type']; tables: ColourTables; side: number } {
  const type = meta.isTensor ? meta.type : 'no tensor';
  if (type !== 'float32' && type !== 'float16') {
    throw new EngineError('EBADMODEL', `${net} is not a classifier of pictures: it takes ${quote(meta.name)}, which is ${type}`);
  }
  const shape = meta.isTensor ? [...meta.shape] : [];
  const { size = {} } = config;
  const side = size.shortest_edge ?? size.height ?? USUAL_SIDE;
  // The safety checker also takes the unscaled picture, with its channels last.
  const isPlain = meta.name === 'images';
  const input = netInput([{ name: meta.name, type, shape }], net);
  if (isPlain && typeof shape[3] === 'string' && typeof shape[1] === 'string') Object.assign(input, { isChannelsLast: true });
  return { input, type, tables: isPlain ? colourTables('0..1') : tablesOf(config), side };
}

/** The indices of the labels in `config.json` that are unsafe; empty where there are none. */
async function unsafeLabels(file: string): Promise<number[]> {
  for (const folder of [dirname(file), dirname(dirname(file))]) {
    const config = await readJson<{ id2label?: Record<string, string> }>(join(folder, 'config.json'));
    const labels = Object.entries(config?.id2label ?? {});
    if (labels.length > 0) return labels.filter(([, label]) => UNSAFE.test(label)).map(([id]) => Number(id));
  }
  return [];
}
