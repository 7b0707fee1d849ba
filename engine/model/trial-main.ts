/** The process of a trial: renders frames with a model's own nets on one execution provider for its parent, and ends. */
import { availableParallelism, constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import { randn } from '../diffusion/noise';
import { toImage, toTensor } from '../image/pixels';
import { Model, type ModelSettings } from './model';
import { differenceOf, type TrialOutputs } from './trial-outputs';
import { toWireError, type WireError } from '../util/channel';
import { standBack } from '../util/stand-back';

export interface TrialOrder {
  settings: Pick<ModelSettings, 'model' | 'autoencoder' | 'executionProviders' | 'intraOpNumThreads' | 'int8'>;
  /** The processor's outputs to compare with; without them, the outputs are sent back. */
  expected?: TrialOutputs;
}

export interface TrialResult {
  /** The shortest time of one frame, from picture to picture in one step, ms. */
  ms: number;
  /** The largest relative difference (root mean square) of a net's output from the expected one. */
  difference?: number;
  outputs?: TrialOutputs;
  /** Whether its nets can compute in int8. */
  isRoundable: boolean;
}

export type TrialAnswer = { result: TrialResult } | { error: WireError };

/** The side of the pictures, pixels, which every model can render. */
const SIDE = 256;
const LATENT_STEP = 8;
/** The middle of a schedule of 1000. */
const TIMESTEP = 499;
const MOST_RUNS = 8;
/** How long frames are measured after the first, which compiles and allocates, ms. */
const RUNS_FOR = 2000;

async function tryModel({ settings, expected }: TrialOrder): Promise<TrialResult> {
  const model = await Model.load(settings);
  try {
    const first = await paint(model);
    let ms = Infinity;
    const end = performance.now() + RUNS_FOR;
    for (let run = 0; run < MOST_RUNS && (run === 0 || performance.now() < end); run++) ms = Math.min(ms, (await paint(model)).ms);
    const isRoundable = model.info.arithmetic !== undefined;
    return { ms, isRoundable, ...(expected ? { difference: differenceOf(first.outputs, expected) } : { outputs: first.outputs }) };
  } finally {
    await model.close();
  }
}

async function paint(model: Model): Promise<{ ms: number; outputs: TrialOutputs }> {
  const { vaeScaleFactor: factor, latentChannels } = model.info;
  const side = Math.max(1, Math.round(SIDE / factor / LATENT_STEP)) * LATENT_STEP;
  const shape = { height: side, width: side };
  const pixels = randn([3, side * factor, side * factor], 1).map((value) => Math.tanh(value));
  const picture = toImage(pixels, side * factor, side * factor);
  const noise = randn([latentChannels, side, side], 2);
  const conditioning = await model.textEncoder.blank();
  const began = performance.now();
  const cpu = process.cpuUsage();
  // Pictures are passed in bytes as in the engine: passed as numbers, they would take other nets.
  const encoded = await model.vaeEncoder?.encodePicture(picture);
  const [predicted] = await model.unet.predict([{ sample: noise, shape, timestep: TIMESTEP, conditioning }]);
  const painted = await model.vaeDecoder.decodePicture(noise, side, side);
  const wall = performance.now() - began;
  return { ms: idle(model, wall, process.cpuUsage(cpu)), outputs: { ...(encoded && { encoded }), predicted, decoded: toTensor(painted) } };
}

/**
 * The time of a frame on an otherwise idle processor whose cores share the frames. A processor that renders meanwhile is
 * slower and a card is not, which must not count in the card's favour.
 */
function idle({ info }: Model, wall: number, { user, system }: NodeJS.CpuUsage): number {
  return info.executionProvider === 'cpu' ? Math.min(wall, (user + system) / 1000 / availableParallelism()) : wall;
}

process.title = 'streamdiffusion-trial';
standBack(constants.priority.PRIORITY_BELOW_NORMAL);
process.on('disconnect', () => process.exit());
process.once('message', (order: TrialOrder) => {
  const send = (answer: TrialAnswer): void => void process.send?.(answer, undefined, undefined, () => process.exit());
  tryModel(order).then(
    (result) => send({ result }),
    (thrown: unknown) => send({ error: toWireError(thrown) }),
  );
});
