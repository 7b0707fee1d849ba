import { resolveOptions } from '../../engine/diffusion/options';
import { tIndexListOf } from '../../engine/diffusion/strength';
import type { CfgType, StreamOptions } from '../../engine/types';
import { readArguments, readNumber, UsageError } from '../command';
import { type ControlOption, readAdapters, readControls, readPicturePaths, readWeights } from './adapters';
import type { PictureFormat } from './pictures';

export const HELP = `Usage: streamdiffusion run --model FOLDER --prompt TEXT [OPTIONS] IN OUT

Repaints pictures as the prompt says, without Node-RED.

  IN   a folder of pictures, one picture, or a video
  OUT  a folder, or a video (.mp4 .mov .mkv .webm .avi .gif); for one picture, also a picture (.png .jpg).
       A video keeps its rate and its sound; pictures become a video of --fps frames a second.

Options:
  --model FOLDER    a model folder, the name of a pulled model, or starter, the embedded one
  --prompt TEXT     what the pictures show
  --negative TEXT   what to keep away from; has an effect with --cfg full or initialize
  --strength S      0..1, how much is repainted (default 0.5)
  --steps N         denoising steps (default 2)
  --size WxH        size of the result (default: the model's own); pictures are cropped to fill it
  --seed N          another seed is another noise (default 2)
  --cfg TYPE        guidance: none, full, self or initialize (default self; with --negative, initialize)
  --guidance N      guidance scale (default 1.2)
  --autoencoder FOLDER
                    one whose autoencoder takes the place of the model's, such as a tiny one: a folder, or the name of a pulled
                    model
  --adapter NAME=PATH
                    what the model is steered by besides the prompt: a ControlNet, LoRA or IP-Adapter; may be given again
  --lora FILE       the same for a LoRA, which goes by the name of its file
  --control MAP     a control picture of every frame for the adapter of that name: edges, soft-edges, luminance, threshold,
                    blur or movement; NAME=MAP for an adapter of another name, NAME=PATH for a picture, a folder or a video
                    whose pictures go along with the frames; may be given again
  --picture NAME=PATH
                    a picture as a prompt, for the IP-Adapter of that name; PATH alone is for every one; may be given again
  --weights LIST    strengths of adapters, such as edges=0.8,style=0.5 (default 1 each)
  --providers LIST  ONNX Runtime execution providers by preference, such as cuda,cpu, or automatic
                    (default cpu)
  --fps N           for pictures that become a video (default 25)
  --format FORMAT   of pictures in a folder: png or jpeg (default png)
  --overwrite       OUT may be there already

The exit code is 1 when a frame could not be read; the others are rendered.

Examples:
  streamdiffusion run --model starter --prompt "sunset over the sea" photos painted
  streamdiffusion run --model starter --prompt "night, aurora, snow" --strength 0.7 film.mp4 night.mp4
  streamdiffusion run --model sd --adapter edges=controlnet/canny --control edges --weights edges=0.8 \\
    --lora style.safetensors --prompt "a garden in ink" film.mp4 ink.mp4
  streamdiffusion run --model sd --adapter look=ip-adapter --picture look.jpg --weights look=0.6 --prompt "a garden" photos painted`;

const OPTIONS = {
  model: { type: 'string' },
  prompt: { type: 'string' },
  negative: { type: 'string' },
  strength: { type: 'string', default: '0.5' },
  steps: { type: 'string', default: '2' },
  size: { type: 'string' },
  seed: { type: 'string' },
  cfg: { type: 'string' },
  guidance: { type: 'string' },
  autoencoder: { type: 'string' },
  adapter: { type: 'string', multiple: true },
  lora: { type: 'string', multiple: true },
  control: { type: 'string', multiple: true },
  picture: { type: 'string', multiple: true },
  weights: { type: 'string' },
  providers: { type: 'string', default: 'cpu' },
  fps: { type: 'string', default: '25' },
  format: { type: 'string', default: 'png' },
  overwrite: { type: 'boolean', default: false },
} as const;

/** The length of the schedule that strength and steps refer to. */
const NUM_INFERENCE_STEPS = 50;

/** The command's options, checked as far as possible without the model. */
export interface RunOptions {
  input: string;
  output: string;
  model: string;
  prompt: string;
  negativePrompt: string | undefined;
  /** A folder or repository, as for the model. */
  autoencoder: string | undefined;
  executionProviders: string[];
  /** The paths of adapters, by name. */
  adapters: Record<string, string>;
  controls: ControlOption[];
  /** The paths of pictures as prompts, by the adapters' names. */
  pictures: Record<string, string>;
  /** Undefined for the model's own. */
  size: { width: number; height: number } | undefined;
  stream: Omit<StreamOptions, 'width' | 'height'>;
  fps: string;
  format: PictureFormat;
  overwrite: boolean;
}

/** @throws UsageError, EBADPARAM */
export function readOptions(args: string[]): RunOptions {
  const { values, positionals } = readArguments(args, OPTIONS, ['IN', 'OUT']);
  const { model, autoencoder, prompt, negative, format, fps, overwrite } = values;
  if (model === undefined) throw new UsageError('--model is missing');
  if (prompt === undefined) throw new UsageError('--prompt is missing');
  if (format !== 'png' && format !== 'jpeg') throw new UsageError(`--format must be png or jpeg; got "${format}"`);
  if (!(Number(fps) > 0)) throw new UsageError(`--fps must be a number above 0; got "${fps}"`);
  const [strength, steps] = [readNumber(values.strength, 'strength') ?? NaN, readNumber(values.steps, 'steps') ?? NaN];
  const stream: RunOptions['stream'] = {
    mode: 'img2img',
    numInferenceSteps: NUM_INFERENCE_STEPS,
    tIndexList: tIndexListOf(strength, steps, NUM_INFERENCE_STEPS),
    cfgType: (values.cfg ?? (negative === undefined ? 'self' : 'initialize')) as CfgType,
    guidanceScale: readNumber(values.guidance, 'guidance'),
    seed: readNumber(values.seed, 'seed'),
    weights: readWeights(values.weights),
  };
  // Checked before the model is loaded, which may take a while; the size is checked by the stream.
  resolveOptions({ ...stream, width: 1, height: 1 }, 1);
  return {
    input: positionals[0],
    output: positionals[1],
    model,
    autoencoder,
    prompt,
    negativePrompt: negative,
    executionProviders: values.providers.split(',').map((name) => name.trim()),
    adapters: readAdapters(values.adapter, values.lora),
    controls: readControls(values.control),
    pictures: readPicturePaths(values.picture),
    size: readSize(values.size),
    stream,
    fps,
    format,
    overwrite,
  };
}

function readSize(text: string | undefined): RunOptions['size'] {
  if (text === undefined) return undefined;
  const [, width, height] = /^(\d+)x(\d+)$/.exec(text) ?? [];
  if (width === undefined) throw new UsageError(`--size must be two numbers such as 512x512; got "${text}"`);
  return { width: Number(width), height: Number(height) };
}
