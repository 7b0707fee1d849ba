import { EngineError } from '../../../engine/errors';
import type { LiveParams, StreamSettings } from '../../../engine/host/protocol/messages';
import { OUTPUT_SETTINGS } from '../../../engine/host/protocol/settings';
import { checkTogether, SETTINGS } from '../../../engine/diffusion/options';
import { STRENGTH, strengthOf, tIndexListOf } from '../../../engine/diffusion/strength';
import type { EngineInfo } from '../../../engine/types';
import { quote } from '../../../engine/util/quote';
import { numberSetting, readSetting, type Setting } from '../../../engine/util/setting';
import { isEmpty } from '../common/fields';

/** What msg.params and the dialog may set, in the node as in the library; how pictures leave is the node's own. */
export const STREAM_SETTINGS = {
  ...SETTINGS,
  ...OUTPUT_SETTINGS,
} satisfies { [Name in keyof Required<StreamSettings>]: Setting<Required<StreamSettings>[Name]> };
/** With the strength, the friendlier way to say `tIndexList`. */
const STEPS = numberSetting(undefined, { min: 1, integer: true });

const NAMES = Object.keys(STREAM_SETTINGS) as (keyof StreamSettings)[];

/**
 * Reads `msg.params`: any setting of a stream by its name, and `strength` (0..1) with `steps` as the friendlier way to
 * say `tIndexList`. What is missing of strength and steps stays as it is in `current`.
 *
 * @param engine what is known of it by now: the step in which width and height grow, and its adapters
 * @throws EBADPARAM with the first value that cannot work, or a name that is none
 */
export function readParams(params: unknown, current: StreamSettings, engine: Partial<EngineInfo> = {}): LiveParams {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    throw new EngineError('EBADPARAM', `msg.params must be an object such as {"strength": 0.5}, not ${quote(params)}`);
  }
  const live: LiveParams = {};
  for (const name in params) {
    const value = (params as Record<string, unknown>)[name];
    if (!Object.hasOwn(params, name)) continue;
    if (isSetting(name)) Object.assign(live, { [name]: readSetting<unknown>(STREAM_SETTINGS[name], name, value) });
    else if (name !== 'strength' && name !== 'steps') {
      throw new EngineError('EBADPARAM', `msg.params has no ${quote(name)}; it may have strength, steps, ${NAMES.join(', ')}`);
    }
  }
  Object.assign(live, stepsFromStrength(params, live, current));
  // What was wrong before is not the fault of a message about something else.
  const factor = live.width === undefined && live.height === undefined ? 1 : (engine.vaeScaleFactor ?? 1);
  const adapters = live.weights && engine.adapters?.map(({ name }) => name);
  // Each of `current` was checked when it came; the engine, which others call as well, checks all of them again.
  checkTogether({ ...current, ...live }, factor, adapters);
  // Those that are not named keep theirs.
  return live.weights ? { ...live, weights: { ...current.weights, ...live.weights } } : live;
}

function stepsFromStrength(params: { strength?: unknown; steps?: unknown }, live: LiveParams, current: StreamSettings): LiveParams {
  if (params.strength === undefined && params.steps === undefined) return {};
  if (live.tIndexList !== undefined) {
    throw new EngineError('EBADPARAM', 'msg.params has a tIndexList and a strength or steps; they say the same thing, send only one');
  }
  const before = current.numInferenceSteps ?? 50;
  const strength =
    params.strength === undefined ? strengthOf(current.tIndexList, before) : readSetting(STRENGTH, 'strength', params.strength);
  const steps = params.steps === undefined ? current.tIndexList.length : readSetting(STEPS, 'steps', params.steps);
  return { tIndexList: tIndexListOf(strength, steps, live.numInferenceSteps ?? before) };
}

/** The settings in the denoiser's dialog: strings of input fields, and nothing at all for fields newer than the flow. */
export type DenoiserFields = { [Name in keyof StreamSettings | 'strength' | 'steps']?: unknown } & { stepsBy?: unknown };

/** `followNewest` differs from the library's, which is the reference's: in a flow settings come with frames, and hold for those they came with. */
const DEFAULTS: StreamSettings = {
  mode: 'img2img',
  width: 256,
  height: 256,
  numInferenceSteps: 50,
  tIndexList: tIndexListOf(0.5, 2, 50),
  followNewest: 'none',
};

/**
 * Reads the denoiser's dialog.
 * @throws EBADPARAM
 */
export function readDialog({ stepsBy, ...fields }: DenoiserFields): StreamSettings {
  const byList = stepsBy === 'list';
  const names = [...NAMES, 'strength', 'steps'] as const;
  const unused = byList ? ['strength', 'steps'] : ['tIndexList'];
  const filled = names.filter((name) => !isEmpty(fields[name]) && !unused.includes(name));
  return { ...DEFAULTS, ...readParams(Object.fromEntries(filled.map((name) => [name, fields[name]])), DEFAULTS) };
}

function isSetting(name: string): name is keyof StreamSettings {
  return Object.hasOwn(STREAM_SETTINGS, name);
}
