import type { PixelRange } from '../image/brightness';
import type { VaeDecoder, VaeEncoder } from './vae';

/** The side of the trial's latents where the export leaves it free: enough for the receptive field of a tiny autoencoder. */
const PROBE_SIZE = 8;
/** The largest mean error, in -1..1, with which a trained tiny autoencoder reproduces a smooth picture; others prove nothing. */
const GOOD_ROUND_TRIP = 0.25;

export interface Autoencoder {
  encoder?: VaeEncoder;
  decoder: VaeDecoder;
  /** Which of the two is a tiny one; a full one always uses -1..1. */
  tiny: { encoder: boolean; decoder: boolean };
  channels: number;
  /** Picture size ÷ latent size. */
  factor: number;
}

/**
 * Finds out by trying which range of brightness a tiny autoencoder uses, and sets its nets to it. Exports of TAESD differ: those
 * of diffusers use -1..1, those of its authors 0..1, and neither names nor metadata tell. Without evidence for 0..1 it is
 * -1..1.
 */
export async function findPixelRange({ encoder, decoder, tiny, channels, factor }: Autoencoder): Promise<void> {
  if (!tiny.decoder && !tiny.encoder) return;
  if (!encoder) {
    decoder.range = await rangeOfDecoder(decoder, channels);
    return;
  }
  const [height, width] = encoder.size ?? scaled(decoder.size, factor) ?? [PROBE_SIZE * factor, PROBE_SIZE * factor];
  const picture = waves(height, width);
  const error = async (range: PixelRange): Promise<number> => {
    if (tiny.encoder) encoder.range = range;
    if (tiny.decoder) decoder.range = range;
    const latent = await encoder.encode(picture, height, width);
    const again = await decoder.decode(latent, height / factor, width / factor);
    return picture.reduce((sum, value, i) => sum + Math.abs(value - again[i]), 0) / picture.length;
  };
  // The other assumption shows a net of -1..1 only the brighter half, which it reproduces about as well. Only a net of 0..1,
  // which has no darker half, fails at one of the two.
  const [positive, signed] = [await error('0..1'), await error('-1..1')];
  const range = positive < GOOD_ROUND_TRIP && positive < signed / 2 ? '0..1' : '-1..1';
  if (tiny.encoder) encoder.range = range;
  if (tiny.decoder) decoder.range = range;
}

/** Strong latents of both signs make dark and bright pixels: a net of 0..1 gives no values far below 0. */
async function rangeOfDecoder(decoder: VaeDecoder, channels: number): Promise<PixelRange> {
  const [height, width] = decoder.size ?? [PROBE_SIZE, PROBE_SIZE];
  const latent = Float32Array.from({ length: channels * height * width }, (_, i) => 3 * Math.sin(i * 12.9898 + 1));
  decoder.range = '-1..1';
  const pixels = (await decoder.decode(latent, height, width)).slice().sort();
  // Percentiles 10 and 90 are compared instead of extremes, since nets overshoot.
  const [dark, bright] = [pixels[Math.floor(pixels.length * 0.1)], pixels[Math.floor(pixels.length * 0.9)]];
  return dark > -0.25 && bright > 0.5 ? '0..1' : '-1..1';
}

/** Smooth waves of the three colours from black to white, [3, H, W] in -1..1, which every autoencoder can reproduce. */
function waves(height: number, width: number): Float32Array {
  const pixels = new Float32Array(3 * height * width);
  for (let i = 0; i < pixels.length; i++) {
    const [channel, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    pixels[i] = Math.sin((x / width + y / height / 2 + channel / 5) * 2 * Math.PI);
  }
  return pixels;
}

function scaled(size: [number, number] | undefined, factor: number): [number, number] | undefined {
  return size && [size[0] * factor, size[1] * factor];
}
