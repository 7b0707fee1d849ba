import { inInt8 } from '../onnx/patches/int8';
import type { Tensor } from '../net';
import type { OnnxGraph } from '../onnx/graph';
import { OnnxNet } from './onnx-net';
import { arithmeticModel } from './probe-model';

/** The result of a trial. */
export interface Trial {
  /** Whether each kind of int8 gives the same result as float32 when activations and weights are as large as possible. */
  exact: { int8: boolean; 'int8-7bit': boolean };
  /** The shortest time of float32 ÷ the shortest of int8. */
  speedUp: number;
}

const CHANNELS = 64;
const SIDE = 32;
/** The value of every activation: the largest. */
const LARGEST = 255;
/** The shortest times are final after this many rounds without a shorter one. */
const ROUNDS_ALIKE = 12;
/** The longest trial, for a machine on which the rounds take long, ms. */
const LIMIT_MS = 1500;
/** The relative error of z that is allowed. Sums that overflow are wrong by half, exact ones only by the rounding of y, 1 in 255. */
const TOLERANCE = 0.02;

const RANGES = { x: [0, LARGEST], y: [0, LARGEST * CHANNELS * 9] } satisfies Record<string, [number, number]>;

/**
 * Computes a small net in each way on the CPU, in this thread, in about 50 ms. Wrong results show where sums overflow,
 * whatever a processor or an emulator reports about itself.
 *
 * @param timed whether to measure the speed as well; otherwise `speedUp` is NaN
 */
export async function tryArithmetic(timed: boolean): Promise<Trial> {
  const graph = arithmeticModel(CHANNELS, SIDE);
  const nets = await Promise.all([open(graph), open(inInt8(graph, RANGES, 8)), open(inInt8(graph, RANGES, 7))]);
  try {
    const [expected, eight, seven] = await inTurn(nets, centre);
    const isExact = (got: number): boolean => Math.abs(got / expected - 1) < TOLERANCE;
    const exact = { int8: isExact(eight), 'int8-7bit': isExact(seven) };
    return { exact, speedUp: timed ? await speedUp(nets[0], nets[1]) : Number.NaN };
  } finally {
    await Promise.all(nets.map((net) => net.close()));
  }
}

function open(graph: OnnxGraph | undefined): Promise<OnnxNet> {
  if (!graph) throw new TypeError('the trial has ranges that do not belong to its net');
  return OnnxNet.load(graph, { executionProvider: 'cpu', intraOpNumThreads: 1 }, 'the trial of int8');
}

async function inTurn<T>(nets: OnnxNet[], work: (net: OnnxNet) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (const net of nets) results.push(await work(net));
  return results;
}

async function centre(net: OnnxNet): Promise<number> {
  const { z } = await net.run(feeds());
  return Number(z.data[(SIDE * SIDE) / 2 + SIDE / 2]);
}

/** Takes turns and compares the shortest times: other work on the machine affects both alike, and only ever adds. */
async function speedUp(float32: OnnxNet, int8: OnnxNet): Promise<number> {
  const shortest = [Infinity, Infinity];
  const started = performance.now();
  for (let alike = 0; alike < ROUNDS_ALIKE && performance.now() - started < LIMIT_MS; alike++) {
    const times = await inTurn([float32, int8], timeOf);
    times.forEach((ms, k) => {
      if (ms < 0.98 * shortest[k]) alike = 0;
      shortest[k] = Math.min(shortest[k], ms);
    });
  }
  return shortest[0] / shortest[1];
}

async function timeOf(net: OnnxNet): Promise<number> {
  const started = performance.now();
  await net.run(feeds());
  return performance.now() - started;
}

function feeds(): Record<string, Tensor> {
  return { x: { type: 'float32', data: new Float32Array(CHANNELS * SIDE * SIDE).fill(LARGEST), dims: [1, CHANNELS, SIDE, SIDE] } };
}
