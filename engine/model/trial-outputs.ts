/** What the nets of a trial gave, in the order in which they run: latents, and the picture in -1..1. */
export interface TrialOutputs {
  /** Missing where the model has no encoder. */
  encoded?: Float32Array;
  predicted: Float32Array;
  /** In steps of a grey level. */
  decoded: Float32Array;
}

/** Rounding to bytes makes one of the smallest difference. */
const GREY_LEVEL = 2 / 255 + 1e-6;

/** How far outputs are from the expected ones: root of the mean square, relative, the largest of all nets. Pictures may be a grey level off. */
export function differenceOf(got: TrialOutputs, expected: TrialOutputs): number {
  const { encoded, predicted, decoded } = expected;
  return Math.max(
    encoded ? relative(got.encoded, encoded, 0) : 0,
    relative(got.predicted, predicted, 0),
    relative(got.decoded, decoded, GREY_LEVEL),
  );
}

/** @param slack what a value may be off without being counted */
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
