/**
 * A straightforward loop without any of this project's ideas: ONNX Runtime with its default options, one step after another.
 *
 *     node dist/bench/peers/plain-loop.js MODEL_FOLDER SIZE JPEG_FOLDER
 *
 * Takes requests over stdin, like worker.py.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';

interface Order {
  steps: number[];
  frames: number;
}

const [, , folder, size, pictures] = process.argv;
const side = Number(size);

async function main(): Promise<void> {
  const open = (net: string) => InferenceSession.create(join(folder, net, 'model.onnx'));
  const [text, encoder, unet, decoder] = [
    await open('text_encoder'),
    await open('vae_encoder'),
    await open('unet'),
    await open('vae_decoder'),
  ];
  const tokens = JSON.parse(readFileSync(join(folder, 'text_encoder/config.json'), 'utf8')).max_position_embeddings as number;
  const hidden = await run(text, new Tensor('int64', new BigInt64Array(tokens), [1, tokens]));
  const alphas = cumulativeAlphas();

  const paint = async (jpeg: Buffer, steps: number[]): Promise<Buffer> => {
    const { data } = await sharp(jpeg).resize(side, side).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const planes = new Float32Array(3 * side * side);
    for (let pixel = 0; pixel < side * side; pixel++)
      for (let c = 0; c < 3; c++) planes[c * side * side + pixel] = data[3 * pixel + c] / 127.5 - 1;
    const clean = await run(encoder, new Tensor('float32', planes, [1, 3, side, side]));
    let x0 = clean.data as Float32Array;
    for (const step of steps) {
      const timestep = 999 - 20 * step;
      const [signal, noise] = [Math.sqrt(alphas[timestep]), Math.sqrt(1 - alphas[timestep])];
      const noised = x0.map((value) => signal * value + noise * gaussian());
      const predicted = (await run(unet, new Tensor('float32', noised, clean.dims), timestepFor(unet, timestep), hidden))
        .data as Float32Array;
      x0 = noised.map((value, k) => (value - noise * predicted[k]) / signal);
    }
    const out = (await run(decoder, new Tensor('float32', x0, clean.dims))).data as Float32Array;
    const bytes = Buffer.alloc(3 * side * side);
    for (let pixel = 0; pixel < side * side; pixel++) {
      for (let c = 0; c < 3; c++)
        bytes[3 * pixel + c] = Math.min(255, Math.max(0, Math.round((out[c * side * side + pixel] / 2 + 0.5) * 255)));
    }
    return sharp(bytes, { raw: { width: side, height: side, channels: 3 } })
      .jpeg({ quality: 85 })
      .toBuffer();
  };

  const jpegs = readdirSync(pictures)
    .filter((name) => name.endsWith('.jpg'))
    .sort()
    .map((name) => readFileSync(join(pictures, name)));
  tell({ ready: `onnxruntime-node on ${process.version}` });
  for await (const line of createInterface(process.stdin)) {
    const { steps, frames } = JSON.parse(line) as Order;
    const started = performance.now();
    for (let k = 0; k < frames; k++) await paint(jpegs[k % jpegs.length], steps);
    tell({ seconds: (performance.now() - started) / 1000 });
  }
}

/** Feeds the inputs in order. @returns the first output */
async function run(session: InferenceSession, ...inputs: Tensor[]): Promise<Tensor> {
  const outputs = await session.run(Object.fromEntries(inputs.map((input, k) => [session.inputNames[k], input])));
  return outputs[session.outputNames[0]] as Tensor;
}

function timestepFor(unet: InferenceSession, timestep: number): Tensor {
  const info = unet.inputMetadata[1];
  const dims = info.isTensor ? info.shape.map(() => 1) : [];
  if (info.isTensor && info.type === 'int64') return new Tensor('int64', BigInt64Array.of(BigInt(timestep)), dims);
  return new Tensor('float32', Float32Array.of(timestep), dims);
}

/** ᾱ of a scaled linear schedule, as in Stable Diffusion. */
function cumulativeAlphas(): number[] {
  const [from, to] = [Math.sqrt(0.00085), Math.sqrt(0.012)];
  let product = 1;
  return Array.from({ length: 1000 }, (_, t) => (product *= 1 - (from + ((to - from) * t) / 999) ** 2));
}

function gaussian(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function tell(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

void main();
