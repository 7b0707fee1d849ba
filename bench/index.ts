/** `npm run bench -- [--json FILE] [--model FOLDER] [--size PIXELS] [--quick]`: the savings of the paper's ideas on this machine. */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { Engine } from '../engine';
import { ceiling } from './ceiling';
import type { Context } from './context';
import type { Figure } from './interleave';
import { liveFlow } from './live-flow';
import { movingScene } from './scenes';
import { pacing } from './pacing';
import { sharedEngine } from './shared-engine';
import { type Comparison, residualGuidance, similarityFilter, streamBatch } from './stream-parts';
import { startToFirstFrame, wholeWay } from './whole-way';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      model: { type: 'string', default: 'starter' },
      size: { type: 'string', default: '256' },
      quick: { type: 'boolean' },
    },
  });
  const { model, quick } = values;
  const size = Number(values.size);
  const engine = await Engine.load({ model });
  const context: Context = {
    engine,
    model,
    size,
    rounds: quick ? 1 : 7,
    frames: quick ? 4 : 20,
    pictures: movingScene(size, 40),
    note: (text) => process.stderr.write(`  ${text}\n`),
  };
  const part = async <T>(title: string, measure: (context: Context) => Promise<T>): Promise<T> => {
    process.stderr.write(`${title}\n`);
    return measure(context);
  };

  const startToFirstFrameMs = await part('The first frame', startToFirstFrame);
  const whole = await part('The whole way of a frame', wholeWay);
  const usual = whole[2];
  const batch = await part('Stream batch against sequential', streamBatch);
  const guidance = await part('Residual guidance against full guidance', residualGuidance);
  const filter = await part('Similarity filter', similarityFilter);
  await engine.close();
  const shared = await part('Several streams on one engine', sharedEngine);
  const paced = await part('Sources slower and faster than the engine', pacing);
  const highest = await part('Nets that cost nothing', ceiling);
  const live = await part('The first example in Node-RED', liveFlow);

  const report = {
    model,
    size,
    cpus: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
    node: process.version,
    efficiency: usual.efficiency.median,
    efficiencyBySteps: bySteps(whole, ({ efficiency }) => efficiency.median),
    shareOfNets: bySteps(whole, ({ shareOfNets }) => shareOfNets.median),
    streamBatchSpeedup: medians(batch, 'batch'),
    rcfgSelfSpeedup: medians(guidance, 'self'),
    rcfgInitializeSpeedup: medians(guidance, 'initialize'),
    similarityFilterCpuSaving: Object.fromEntries(Object.entries(filter).map(([scene, saving]) => [scene, saving.median])),
    sharedEngineSpeedup: bySteps(shared, ({ speedup }) => speedup.median),
    sharedEngineFairness: bySteps(shared, ({ slowestToFastest }) => slowestToFastest.median),
    pacing: paced,
    hostOverhead: usual.hostOverhead.median,
    eventLoopDelayP99Ms: live.eventLoopDelay.p99Ms,
    latencyFrames: usual.latencyFrames,
    startToFirstFrameMs,
    fps: usual.fps.median,
    p50Ms: usual.p50Ms,
    p95Ms: usual.p95Ms,
    fpsBySteps: bySteps(whole, ({ fps }) => fps.median),
    latencyFramesP95: bySteps(whole, ({ latencyFramesP95 }) => latencyFramesP95),
    int8Speedup: bySteps(whole, ({ int8Speedup }) => int8Speedup.median),
    latencyTicksP95: bySteps(whole, ({ latencyTicksP95 }) => latencyTicksP95),
    ceiling: highest,
    liveFlow: live,
    spread: { wholeWay: whole, streamBatch: batch, guidance, similarityFilter: filter, sharedEngine: shared },
  };
  print(report);
  if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

function medians(results: Record<number, Comparison>, name: string): Record<string, number> {
  return bySteps(results, ({ speedup }) => speedup[name].median);
}

function bySteps<T>(results: Record<number, T>, value: (result: T) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(results).map(([steps, result]) => [steps, value(result)]));
}

/** Prints a row for every figure; those by number of steps or streams are side by side. */
function print({ spread: _spread, ...report }: Record<string, unknown> & { spread: Record<string, Figure | object> }): void {
  const shown = (value: unknown): string => {
    if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
    if (typeof value === 'object' && value !== null)
      return Object.entries(value)
        .map(([name, each]) => `${name}: ${shown(each)}`)
        .join('   ');
    return String(value);
  };
  for (const [name, value] of Object.entries(report)) process.stdout.write(`${name.padEnd(28)}${shown(value)}\n`);
}

void main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
