import { EngineError } from '../errors';
import { quote } from '../util/quote';

/** A sum below this part of the weights' magnitudes has cancelled out, and dividing by it would blow the shares up. */
const LEAST_SUM = 1e-3;

/**
 * Weights as shares of a sum of 1. Weights without a positive sum (all zero, or cancelling) count as equal.
 *
 * @throws EBADPROMPT when a weight is not a finite number
 */
export function normalizeWeights(weights: readonly number[]): number[] {
  const bad = weights.find((weight) => !Number.isFinite(weight));
  if (bad !== undefined) throw new EngineError('EBADPROMPT', `a weight must be a finite number, not ${quote(bad)}`);
  // Dividing by the largest first: the sum of huge weights overflows, and that of tiny ones may be too small to divide by.
  const largest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
  const scaled = weights.map((weight) => (largest > 0 ? weight / largest : 0));
  const sum = scaled.reduce((total, weight) => total + weight, 0);
  const magnitude = scaled.reduce((total, weight) => total + Math.abs(weight), 0);
  if (largest === 0 || sum < LEAST_SUM * magnitude) return weights.map(() => 1 / weights.length);
  return scaled.map((weight) => weight / sum);
}
