/** The outputs of a trial's nets in the order of their runs: latents, and the picture in -1..1. */
export interface TrialOutputs {
  /** Missing where the model has no encoder. */
  encoded?: Float32Array;
  predicted: Float32Array;
  /** The picture, quantized to grey levels. */
  decoded: Float32Array;
}

/** The difference of one grey level in -1..1, which rounding can make of the smallest difference. */
const GREY_LEVEL = 2 / 255 + 1e-6;

/** The largest relative difference (root mean square) of outputs from the expected ones. Pictures may be off by one grey level. */
export function differenceOf(got: TrialOutputs, expected: TrialOutputs): number {
  const { encoded, predicted, decoded } = expected;
  return Math.max(
    encoded ? relative(got.encoded, encoded, 0) : 0,
    relative(got.predicted, predicted, 0),
    relative(got.decoded, decoded, GREY_LEVEL),
  );
}

/** @param slack the difference of a value that is not counted */
function relative(got: Float32Array | undefined, expected: Float32Array, slack: number): number {
  if (got?.length !== expected.length) return Infinity;
  let [error, power] = [0, 0];
  for (let k = 0; k < expected.length; k++) {
    error += Math.max(0, Math.abs(got[k] - expected[k]) - slack) ** 2;
    power += expected[k] ** 2;
  }
  const ratio = Math.sqrt(error / Math.max(power, 1e-12));
  return Number.isNaN(ratio) ? Infinity : ratio;
}
