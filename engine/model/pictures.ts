import { toImage } from '../image/pixels';
import type { PixelRange } from '../image/brightness';
import type { Net, PixelTensor, Tensor, TensorInfo } from '../net/net';
import { BYTES } from '../net/onnx/patches/pixel-bytes';
import { floatsOf, fromPixels, PIXEL_STRIDE, toPixels } from '../net/tensor';
import type { RawImage } from '../types';
import { checkFinite } from '../util/finite';
import { pick } from './rows';

/** The conversion for a graph that takes bytes, by the range of its numbers; see {@link BYTES}. */
const INTO_NET: Record<PixelRange, { middle: number; half: number }> = {
  '-1..1': { middle: 127.5, half: 127.5 },
  '0..1': { middle: 0, half: 255 },
};
/** Makes a number halfway between two grey levels the brighter one, as everywhere else; the graph itself rounds to even. */
const UPWARDS = 1e-6;
const OUT_OF_NET: Record<PixelRange, { offset: number; scale: number }> = {
  '-1..1': { offset: 1 + UPWARDS, scale: 1 / 127.5 },
  '0..1': { offset: UPWARDS, scale: 1 / 255 },
};

/** The input or output of a net that is a picture, as [B, 3, H, W] even where it is in bytes. */
export function pictureOf(net: string, infos: TensorInfo[], side: 'input' | 'output', names: string[]): TensorInfo {
  const bytes = infos.find(({ type }) => type === 'uint8');
  if (!bytes) return pick(net, infos, side, names);
  const [batch, height, width, channels] = bytes.shape;
  return { ...bytes, shape: [batch, channels, height, width] };
}

/**
 * Runs a net that takes a picture: in bytes where its graph takes them, otherwise converted to numbers where the net runs.
 *
 * @param dims of its input, [B, 3, H, W]: B times the same picture
 * @param isOurs whether nobody needs the picture afterwards, so that its bytes may be moved
 */
export async function runOnPicture(
  net: Net,
  { name, type }: TensorInfo,
  { data }: RawImage,
  dims: number[],
  range: PixelRange,
  isOurs = false,
): Promise<Record<string, Tensor>> {
  const movable = isOurs && { movable: true as const };
  const [batch, channels, height, width] = dims;
  if (type === 'uint8') {
    const bytes = new Uint8Array(batch === 1 ? 0 : batch * data.length);
    for (let at = 0; at < bytes.length; at += data.length) bytes.set(data, at);
    const { middle, half } = INTO_NET[range];
    const picture: Tensor = { type, data: batch === 1 ? data : bytes, dims: [batch, height, width, channels], ...movable };
    return net.run({ [name]: picture, [name + BYTES.middle]: scalar(middle), [name + BYTES.half]: scalar(half) });
  }
  const pixels: PixelTensor = { type: 'pixels', data, dims, ...movable };
  // Outputs that are not pictures are returned as tensors.
  if (net.runPixels) return net.runPixels({ [name]: pixels }, { name, range }) as Promise<Record<string, Tensor>>;
  return net.run({ [name]: fromPixels(pixels, type, range) });
}

/**
 * Runs a net that outputs a picture.
 *
 * @returns the picture and the output's dimensions, [B, 3, H, W]
 * @throws EBADMODEL when the output holds NaN
 */
export async function runToPicture(
  net: Net,
  title: string,
  { name, type }: TensorInfo,
  feeds: Record<string, Tensor>,
  range: PixelRange,
): Promise<{ data: Uint8Array; dims: number[] }> {
  if (type === 'uint8') {
    const { offset, scale } = OUT_OF_NET[range];
    const outputs = await net.run({ ...feeds, [name + BYTES.offset]: scalar(offset), [name + BYTES.scale]: scalar(scale) });
    checkFinite(floatsOf(outputs[name + BYTES.sum]), title);
    const [batch, height, width, channels] = outputs[name].dims;
    const data = outputs[name].data as Uint8Array;
    return { data: data.subarray(0, data.length / batch), dims: [batch, channels, height, width] };
  }
  const given = (await (net.runPixels?.(feeds, { name, range }) ?? net.run(feeds)))[name];
  const pixels = given.type === 'pixels' ? given : toPixels(given, range);
  if (pixels.type === 'pixels') return pixels;
  const [, , height, width] = pixels.dims;
  const numbers = floatsOf(pixels);
  checkFinite(numbers, title, PIXEL_STRIDE);
  return { data: toImage(numbers, width, height, range).data, dims: pixels.dims };
}

function scalar(value: number): Tensor {
  return { type: 'float32', data: Float32Array.of(value), dims: [] };
}
