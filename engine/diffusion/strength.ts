import { checkSetting, numberSetting } from '../util/setting';
import { SETTINGS } from './options';

/** How much of the picture is repainted. */
export const STRENGTH = numberSetting(undefined, { min: 0, max: 1 });

/**
 * The t_index_list for a strength, which says how much of the picture is repainted: 1 starts from pure noise, 0 keeps
 * nearly everything.
 *
 * With S = `numInferenceSteps` and n = `steps`: the first index is round((1 - strength) · S), as in image-to-image
 * pipelines, but at most S - n so that there is room for all n steps; the others are spread evenly from there to the
 * end: first + floor(i · (S - first) / n). So the list is ascending, has n different entries, and each is below S.
 *
 * @param strength 0..1
 * @param steps 1..numInferenceSteps
 * @throws EBADPARAM
 * @example tIndexListOf(0.64, 2, 50) // [18, 34]
 */
export function tIndexListOf(strength: number, steps: number, numInferenceSteps: number): number[] {
  checkSetting(SETTINGS.numInferenceSteps, 'numInferenceSteps', numInferenceSteps);
  checkSetting(STRENGTH, 'strength', strength);
  const most = `a whole number from 1 to ${numInferenceSteps} (numInferenceSteps)`;
  checkSetting(numberSetting(undefined, { min: 1, max: numInferenceSteps, integer: true }, most), 'steps', steps);

  const first = Math.min(Math.round((1 - strength) * numInferenceSteps), numInferenceSteps - steps);
  return Array.from({ length: steps }, (_, i) => first + Math.floor((i * (numInferenceSteps - first)) / steps));
}

/** The strength that a t_index_list corresponds to, 0..1: the inverse of the first index above. */
export function strengthOf(tIndexList: readonly number[], numInferenceSteps: number): number {
  return 1 - tIndexList[0] / numInferenceSteps;
}
