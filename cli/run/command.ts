import { Engine } from '../../engine/engine';
import { findModel } from '../../engine/hub/installed';
import { hubSettings } from '../../engine/hub/settings';
import { takeOverCodec } from '../../engine/image/codec';
import type { Picture } from '../../engine/image/picture';
import { findFiles, modelFolder } from '../../engine/model/files';
import type { PromptSpec, WeightedText } from '../../engine/prompt/request';
import type { Command } from '../command';
import { ProgressLine } from '../progress-line';
import { inBytes, inCount, inTime } from '../words';
import { Controls } from './controls';
import { openEnds } from './ends';
import { HELP, readOptions, type RunOptions } from './options';
import { paint } from './paint';
import { type PromptPictures, readPromptPictures } from './picture-prompts';

async function execute(args: string[], signal: AbortSignal): Promise<number> {
  const options = readOptions(args);
  takeOverCodec();
  const ends = await openEnds(options);
  const pictures = await readPromptPictures(options.pictures);
  const model = await findModel(options.model, hubSettings().modelsFolder);
  const line = new ProgressLine();
  const engine = await load(model, options, pictures, line);
  try {
    const size = options.size ?? (await nativeSize(model, engine));
    const stream = await engine.createStream({ ...options.stream, ...size });
    await stream.setPrompt(promptOf(options, pictures));
    for (const warning of stream.warnings) line.note(warning);
    const { tIndexList, cfgType, guidanceScale, numInferenceSteps } = stream.options;
    const guidance = cfgType === 'none' ? 'none' : `${cfgType} ${guidanceScale}`;
    const steps = `steps ${tIndexList.join(', ')} of ${numInferenceSteps}`;
    line.note(`${options.model} on ${engine.info.executionProvider}: ${size.width}×${size.height}, ${steps}, guidance ${guidance}`);

    const adapters = engine.info.adapters.map(({ name, kind }) => `${name} (${kind})`);
    if (adapters.length > 0) line.note(`adapters: ${adapters.join(', ')}`);
    const controls = await Controls.open(options.controls, size);

    const startedAt = performance.now();
    let skipped = 0;
    const painted = await paint({
      ...ends,
      ...size,
      stream,
      controls,
      signal,
      onFrame: (done) =>
        line.update(fractionOf(done, ends.source.count), () => speed(done, ends.source.count, performance.now() - startedAt)),
      onSkipped: (name, error) => {
        skipped++;
        line.note(`skipped ${name}: ${error.message}`);
      },
    });
    const left = skipped > 0 ? `, ${inCount(skipped, 'frame')} skipped` : '';
    line.note(`${inCount(painted, 'frame')} painted${left}, in ${inTime(performance.now() - startedAt)}: ${options.output}`);
    return skipped > 0 ? 1 : 0;
  } finally {
    line.clear();
    await engine.close();
  }
}

function promptOf({ prompt, negativePrompt }: RunOptions, { ids }: PromptPictures): PromptSpec {
  const one = (text: string): WeightedText[] => [{ text, weight: 1 }];
  return { prompt: one(prompt), ...(negativePrompt !== undefined && { negativePrompt: one(negativePrompt) }), images: ids };
}

async function load(model: string, options: RunOptions, { byId }: PromptPictures, line: ProgressLine): Promise<Engine> {
  const { executionProviders, adapters } = options;
  const autoencoder = options.autoencoder === undefined ? undefined : await findModel(options.autoencoder, hubSettings().modelsFolder);
  const engine = await Engine.load(
    { model, executionProviders, adapters, autoencoder },
    {
      onProgress: ({ net, loadedBytes, totalBytes }) => line.status(`loading ${net} (${inBytes(loadedBytes)} of ${inBytes(totalBytes)})`),
      // The engine only asks for pictures that the prompt names.
      findPicture: async (id) => byId.get(id) as Picture,
    },
  );
  line.clear();
  for (const warning of engine.warnings) line.note(warning);
  return engine;
}

/** The picture size that a model was trained on, from the latent size in its config; by default Stable Diffusion's. */
async function nativeSize(model: string, engine: Engine): Promise<{ width: number; height: number }> {
  const { nets } = await findFiles(modelFolder(model));
  const { sample_size: size = 64 } = nets.unet?.config ?? {};
  const [height, width] = Array.isArray(size) ? (size as number[]) : [size as number, size as number];
  const { vaeScaleFactor } = engine.info;
  return { width: width * vaeScaleFactor, height: height * vaeScaleFactor };
}

function fractionOf(done: number, count: number | undefined): number | undefined {
  // The frame count of a video is an estimate.
  return count === undefined ? undefined : Math.min(done / count, 1);
}

function speed(done: number, count: number | undefined, elapsedMs: number): string {
  const perSecond = `${((done / elapsedMs) * 1000).toFixed(1)} frames/s`;
  if (count === undefined) return `${inCount(done, 'frame')}  ${perSecond}`;
  const left = inTime((Math.max(0, count - done) / done) * elapsedMs);
  return `${done} of ${count} frames  ${perSecond}  ${left} left`;
}

export const run: Command = { help: HELP, run: execute };
