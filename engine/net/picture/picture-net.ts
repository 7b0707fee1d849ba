import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EngineError } from '../../errors';
import { decode, sharp } from '../../image/codec';
import type { Plane } from '../../image/control/plane';
import type { RawImage } from '../../types';
import { readJson } from '../../util/json-file';
import { OnnxNet } from '../ort/onnx-net';
import { colourTables, type ColourTables, type InputRange, type NetInput, netInput, normalized, toNetTensor } from './net-input';
import { NetOutput, type OutputRange } from './net-output';

export interface PictureNetSettings {
  /** An .onnx file, or a folder with `model.onnx` in it or in its folder `onnx`. */
  file: string;
  executionProvider: string;
  /** `auto` follows the `preprocessor_config.json` beside the net; without one it is 0..1. */
  input: InputRange;
  output: OutputRange;
}

/** The input of a net with free sides is a multiple of this, unless its configuration says otherwise, pixels. */
const MULTIPLE = 32;

/** The fields of Hugging Face's image processors that are read. */
export interface Preprocessor {
  image_mean?: number[];
  image_std?: number[];
  do_normalize?: boolean;
  do_rescale?: boolean;
  rescale_factor?: number;
  size?: { height?: number; width?: number; shortest_edge?: number };
  ensure_multiple_of?: number;
}

/** Any net from a picture to a picture: depth, line art, segmentation, style, super-resolution. It runs in this process and blocks it meanwhile. */
export class PictureNet {
  private readonly input: NetInput;
  private readonly output: NetOutput;
  private readonly tables: ColourTables;

  private constructor(
    private readonly net: OnnxNet,
    name: string,
    settings: PictureNetSettings,
    private readonly config: Preprocessor,
  ) {
    this.input = netInput(net.inputs, name);
    this.output = new NetOutput(settings.output, name);
    this.tables = settings.input === 'auto' ? tablesOf(config) : colourTables(settings.input);
  }

  /** Rejects with ENOMODEL when there is no such file, EBADMODEL when it is not a net from picture to picture. */
  static async load(settings: PictureNetSettings, intraOpNumThreads?: number): Promise<PictureNet> {
    const file = await findNet(settings.file);
    const net = await OnnxNet.load(file, { executionProvider: settings.executionProvider, intraOpNumThreads });
    try {
      return new PictureNet(net, basename(file), settings, await preprocessorOf(file));
    } catch (thrown) {
      await net.close();
      throw thrown;
    }
  }

  /**
   * Runs the net on a picture.
   *
   * @param isScaled whether a net that enlarges pictures enlarges this one; otherwise the result has the picture's size
   */
  async draw(image: RawImage, isScaled: boolean): Promise<Plane | RawImage> {
    const { width, height } = this.sizeFor(image);
    const fitting = await decode({ kind: 'raw', ...image }, width, height, 'fill');
    const [{ type }] = this.net.inputs;
    const outputs = await this.net.run({ [this.input.name]: toNetTensor(fitting, this.input, type, this.tables) });
    const drawn = this.output.toPicture(outputs[this.net.outputs[0].name]);
    const scale = isScaled ? [drawn.width / width, drawn.height / height] : [1, 1];
    return resized(drawn, Math.round(image.width * scale[0]), Math.round(image.height * scale[1]));
  }

  close(): Promise<void> {
    return this.net.close();
  }

  /** The net's fixed size, or one in the picture's proportions. */
  private sizeFor(image: RawImage): { width: number; height: number } {
    const { size = {}, ensure_multiple_of: multiple = MULTIPLE } = this.config;
    const shorter = Math.min(image.width, image.height);
    const wanted = size.shortest_edge ?? Math.min(size.width ?? shorter, size.height ?? shorter);
    const side = (length: number): number => Math.max(1, Math.round((length * wanted) / shorter / multiple)) * multiple;
    return { width: this.input.width ?? side(image.width), height: this.input.height ?? side(image.height) };
  }
}

/** The file of a net, given the file or its folder. Rejects with ENOMODEL. */
export async function findNet(path: string): Promise<string> {
  for (const file of [path, join(path, 'model.onnx'), join(path, 'onnx/model.onnx')]) {
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile()) return file;
  }
  throw new EngineError('ENOMODEL', `there is no net at ${path}: give an .onnx file, or a folder with model.onnx`);
}

/** The configuration beside the net, in the folder above `onnx`, or in a pipeline's folder for all its nets. */
export async function preprocessorOf(file: string): Promise<Preprocessor> {
  const above = dirname(dirname(file));
  for (const folder of [dirname(file), above, join(above, 'feature_extractor')]) {
    const config = await readJson<Preprocessor>(join(folder, 'preprocessor_config.json'));
    if (config) return config;
  }
  return {};
}

/** The net's numbers for a picture's values. */
export function tablesOf({
  image_mean: mean,
  image_std: std,
  do_normalize: isNormalized,
  do_rescale: isRescaled,
  rescale_factor: factor,
}: Preprocessor): ColourTables {
  const scale = isRescaled === false ? 1 : (factor ?? 1 / 255);
  const isUsable = (list: number[] | undefined): list is number[] =>
    Array.isArray(list) && list.length === 3 && list.every(Number.isFinite);
  if (isNormalized === false || !isUsable(mean) || !isUsable(std)) return normalized(scale, [0, 0, 0], [1, 1, 1]);
  return normalized(scale, mean, std);
}

async function resized(picture: Plane | RawImage, width: number, height: number): Promise<Plane | RawImage> {
  if (picture.width === width && picture.height === height) return picture;
  if ('channels' in picture) return decode({ kind: 'raw', ...picture }, width, height, 'fill');
  const grey = sharp()(picture.data, { raw: { width: picture.width, height: picture.height, channels: 1 } });
  return { data: await grey.resize(width, height, { fit: 'fill' }).toColourspace('b-w').raw().toBuffer(), width, height };
}
