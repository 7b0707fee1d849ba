/**
 * Gaussian noise, number for number as torch's CPU generator draws it, so that a seed means the same picture here
 * and in the reference implementation.
 *
 * Source: PyTorch, `at::CPUGeneratorImpl` (mt19937), `normal_fill` (16 values at a time, from 24-bit uniforms) for 16
 * values and more, `at::normal_distribution<double>` (pairs, from 53-bit uniforms) for fewer.
 */

const N = 624;
const M = 397;

/** The Mersenne Twister mt19937. */
class Mt19937 {
  private readonly state = new Uint32Array(N);
  private index = N;

  constructor(seed: number) {
    this.state[0] = seed % 2 ** 32;
    for (let i = 1; i < N; i++) {
      const previous = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, previous) + i;
    }
  }

  /** The next 32 bits, 0..2^32-1. */
  next(): number {
    if (this.index === N) this.twist();
    let y = this.state[this.index++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  private twist(): void {
    const s = this.state;
    for (let i = 0; i < N; i++) {
      const y = (s[i] & 0x80000000) | (s[(i + 1) % N] & 0x7fffffff);
      s[i] = s[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.index = 0;
  }
}

/** `torch.Generator().manual_seed(seed)` on a CPU. */
export class TorchGenerator {
  private readonly engine: Mt19937;
  /** The second value of the last pair drawn by {@link normalPair}, which torch keeps across calls. */
  private spare: number | undefined;

  /** @param seed an integer ≥ 0; like torch, only its low 32 bits count */
  constructor(seed: number) {
    this.engine = new Mt19937(seed);
  }

  /** A float32 uniform on [0, 1): 24 random bits. */
  uniform(): number {
    return (this.engine.next() & 0xffffff) / 2 ** 24;
  }

  /** `torch.randn(count)`: standard normal values. The last bits may differ from torch's, which approximates log and cos. */
  randn(count: number): Float32Array {
    const values = new Float32Array(count);
    if (count < 16) {
      for (let i = 0; i < count; i++) values[i] = this.normal();
      return values;
    }
    for (let i = 0; i < count; i++) values[i] = this.uniform();
    for (let i = 0; i + 16 <= count; i += 16) boxMuller16(values.subarray(i, i + 16));
    if (count % 16 !== 0) {
      // When the count is not a multiple of 16, torch draws the last 16 values once more.
      const last = values.subarray(count - 16);
      for (let i = 0; i < 16; i++) last[i] = this.uniform();
      boxMuller16(last);
    }
    return values;
  }

  private normal(): number {
    if (this.spare !== undefined) {
      const value = this.spare;
      this.spare = undefined;
      return value;
    }
    const u1 = this.uniformDouble();
    const u2 = this.uniformDouble();
    const radius = Math.sqrt(-2 * Math.log1p(-u2));
    this.spare = radius * Math.sin(2 * Math.PI * u1);
    return radius * Math.cos(2 * Math.PI * u1);
  }

  /** A float64 uniform on [0, 1): the low 53 of 64 random bits. */
  private uniformDouble(): number {
    const high = this.engine.next() & 0x1fffff;
    return (high * 2 ** 32 + this.engine.next()) / 2 ** 53;
  }
}

/** Turns 16 uniforms into 16 normals in place; value j is paired with value j + 8. */
function boxMuller16(values: Float32Array): void {
  for (let j = 0; j < 8; j++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[j]));
    const theta = 2 * Math.PI * values[j + 8];
    values[j] = radius * Math.cos(theta);
    values[j + 8] = radius * Math.sin(theta);
  }
}

/**
 * `torch.randn(shape, generator=torch.Generator().manual_seed(seed))`.
 *
 * @returns the values in row-major order
 */
export function randn(shape: readonly number[], seed: number): Float32Array {
  return new TorchGenerator(seed).randn(shape.reduce((product, size) => product * size, 1));
}
