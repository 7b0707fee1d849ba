/**
 * IEEE 754 half precision in plain JavaScript, for nets whose inputs and outputs are float16.
 * Reading looks values up in a table of all 65,536: an order of magnitude faster than computing each.
 */

let table: Float32Array | undefined;

function buildTable(): Float32Array {
  const floats = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) floats[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) floats[bits] = fraction === 0 ? sign * Infinity : NaN;
    else floats[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return floats;
}

/** Half precision bit patterns as numbers. Exact. */
export function fromFloat16(bits: Uint16Array): Float32Array {
  table ??= buildTable();
  const floats = table;
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = floats[bits[i]];
  return out;
}

/** The single precision bit pattern of the smallest normal half, and the length of the range above it in which rounding cannot overflow. */
const LEAST_NORMAL = 0x38800000;
const NORMALS = 0x477fe000 - LEAST_NORMAL;

/**
 * Numbers as half precision bit patterns, rounded to nearest even; beyond 65,504 they become infinite.
 *
 * @param out receives the bit patterns; as long as `values`
 */
export function toFloat16(values: Float32Array, out = new Uint16Array(values.length)): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    const magnitude = word & 0x7fffffff;
    // Nearly all values take this path: the exponent is rebased, and half a unit less one is added, or half a unit where the last bit is odd.
    const isNormal = (magnitude - LEAST_NORMAL) >>> 0 <= NORMALS;
    out[i] = isNormal ? ((word >>> 16) & 0x8000) | ((magnitude - 0x37fff001 + ((magnitude >>> 13) & 1)) >>> 13) : halfOf(word);
  }
  return out;
}

/** The half nearest to a single precision bit pattern. */
function halfOf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign;
  // Below 2^-14 the half is subnormal: its unit is fixed, so the leading 1 becomes a stored bit and more bits drop out.
  const subnormal = exponent < 113;
  const drop = subnormal ? 126 - exponent : 13;
  const kept = subnormal ? (magnitude & 0x7fffff) | 0x800000 : magnitude - 0x38000000;
  const half = kept >>> drop;
  const rest = kept & ((1 << drop) - 1);
  const middle = 1 << (drop - 1);
  // A carry runs into the exponent, which is the right neighbour also across powers of two.
  return sign | (half + (rest > middle || (rest === middle && half & 1) ? 1 : 0));
}
