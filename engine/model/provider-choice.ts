import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { EngineError } from '../errors';
import { findFiles, modelFolder } from './files';
import { availableMemory } from '../util/available-memory';
import { memoryFile, recall, remember } from '../util/memory-file';
import { endWithParent } from '../util/orphan-guard';
import type { TrialAnswer, TrialOrder, TrialResult } from './trial-main';
import type { ModelSettings } from './model';
import { fromWireError } from '../util/channel';
import { residentMemory } from '../util/process-memory';
import { probe, providersHere } from '../net/ort/provider-reports';

/** Stands for the fastest execution provider on this machine that runs this model correctly. `automatic:1` is on the second card. */
export const AUTOMATIC = 'automatic';

export function isAutomatic(providers: readonly string[] = []): boolean {
  return providers.length === 1 && providers[0].split(':')[0] === AUTOMATIC;
}

/** The result of trying an execution provider. */
export interface TriedProvider {
  name: string;
  /** Why it is not used; undefined when it can be. */
  reason?: string;
  /** The time of one frame of 256 × 256 in one step, ms. */
  ms?: number;
  /** The relative difference from the processor's picture. */
  difference?: number;
}

export interface ProviderChoice {
  /** The execution providers of an engine in order of preference: the chosen one, then `cpu`. */
  providers: string[];
  /** All that were tried, `cpu` last. */
  tried: TriedProvider[];
}

/** The engine that the choice is for. */
export type ChoiceFor = Pick<ModelSettings, 'model' | 'executionProviders' | 'intraOpNumThreads' | 'int8' | 'autoencoder'>;

export interface TrialSettings {
  /** The file that keeps choices. */
  memory?: string;
  /** The longest time for one provider to load the model and render some frames, ms. Default 3 minutes. */
  limitMs?: number;
  /** Ends the trials; the promise then rejects with ECLOSED. */
  signal?: AbortSignal;
}

/** The largest relative difference from the processor's pictures that counts as correct. Float16 on cards is off by a few thousandths. */
const TOLERANCE = 1e-2;
/** The speed-up from which a card is used instead of the processor: changing costs a start, and drivers can fail. */
const PAYS_FROM = 1.1;
const LIMIT_MS = 180_000;
const LOOK_MS = 500;
/** The number of models and machines that are remembered. */
const REMEMBERED = 50;
/** The memory of a net as a multiple of its file. */
const OVERHEAD = 2;
const WITH_DEVICE = ['cuda', 'dml'];

/** The remembered choice for this model on this machine; undefined where providers have not been tried. */
export async function recallChoice(engine: ChoiceFor, memory = choiceMemory()): Promise<ProviderChoice | undefined> {
  const kept = (await recall(memory))[await keyOf(engine)];
  return isChoice(kept) ? kept : undefined;
}

/**
 * Tries every execution provider of this system with the model's own nets, each in a process of its own, compares its pictures
 * with those of the processor in float32, and remembers the fastest correct one.
 *
 * Rejects with ENOMODEL or EBADMODEL when the model cannot be used, ECLOSED when the trials were ended.
 */
export async function chooseProvider(engine: ChoiceFor, settings: TrialSettings = {}): Promise<ProviderChoice> {
  const { memory = choiceMemory() } = settings;
  const { tried, isFinal } = await tryAll(engine, settings);
  const processor = tried[tried.length - 1].ms ?? Infinity;
  const right = tried.filter(({ name, reason }) => name !== 'cpu' && reason === undefined);
  for (const each of right) if ((each.ms ?? Infinity) * PAYS_FROM > processor) each.reason = 'it is not faster than the processor';
  const [fastest] = right.filter(({ reason }) => reason === undefined).sort((a, b) => (a.ms ?? 0) - (b.ms ?? 0));
  const choice = { providers: fastest ? [fastest.name, 'cpu'] : ['cpu'], tried };
  if (isFinal) await remember(memory, await keyOf(engine), choice, REMEMBERED);
  return choice;
}

/** @returns `isFinal`, whether another try would have the same result */
async function tryAll(engine: ChoiceFor, settings: TrialSettings): Promise<{ tried: TriedProvider[]; isFinal: boolean }> {
  const device = engine.executionProviders?.[0]?.split(':')[1];
  const tried: TriedProvider[] = [];
  for (const provider of providersHere().filter((each) => each !== 'cpu')) {
    const name = device !== undefined && WITH_DEVICE.includes(provider) ? `${provider}:${device}` : provider;
    const { reason } = await probe(name);
    settings.signal?.throwIfAborted();
    tried.push({ name, ...(reason !== undefined && { reason }) });
  }
  const left = tried.filter(({ reason }) => reason === undefined);
  const processor: TriedProvider = { name: 'cpu' };
  const all = [...tried, processor];
  if (left.length === 0) return { tried: all, isFinal: true };
  const short = await shortOfMemory(engine);
  for (const each of left) if (short) each.reason = short;
  if (short) return { tried: all, isFinal: false };
  const { model, autoencoder, intraOpNumThreads, int8 } = engine;
  const common = { model, autoencoder, intraOpNumThreads };
  const expected = await attempt(processor, { settings: { ...common, executionProviders: ['cpu'], int8: false } }, settings);
  // The processor's time is measured in int8 where it would use that, since a card must beat that time.
  const asUsed =
    expected?.isRoundable && int8 !== false
      ? await attempt({ name: 'cpu' }, { settings: { ...common, executionProviders: ['cpu'], int8 } }, settings)
      : undefined;
  if (asUsed) processor.ms = Math.min(processor.ms ?? Infinity, asUsed.ms);
  for (const each of left) {
    if (!expected?.outputs) each.reason = `there is nothing to compare it with: the processor ${processor.reason}`;
    else await attempt(each, { settings: { ...common, executionProviders: [each.name] }, expected: expected.outputs }, settings);
  }
  return { tried: all, isFinal: expected !== undefined };
}

/** Tries a provider and writes the result into `tried`; resolves to undefined when it cannot be used. */
async function attempt(tried: TriedProvider, order: TrialOrder, settings: TrialSettings): Promise<TrialResult | undefined> {
  try {
    const result = await run(order, settings);
    tried.ms = Math.round(result.ms * 100) / 100;
    if (result.difference === undefined) return result;
    tried.difference = Number(result.difference.toPrecision(2));
    if (result.difference <= TOLERANCE) return result;
    tried.reason = `its pictures differ from the processor's (by ${tried.difference}; at most ${TOLERANCE} is allowed)`;
  } catch (thrown) {
    const error = EngineError.from(thrown, 'EHOST');
    if (error.code === 'ECLOSED' || (tried.name === 'cpu' && (error.code === 'ENOMODEL' || error.code === 'EBADMODEL'))) throw error;
    tried.reason = error.message;
  }
  return undefined;
}

function run(order: TrialOrder, { limitMs = LIMIT_MS, signal }: TrialSettings): Promise<TrialResult> {
  return new Promise((resolve, reject) => {
    const child = fork(join(__dirname, './trial-main.js'), [], {
      serialization: 'advanced',
      execArgv: [],
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    endWithParent(child);
    const end = (error: EngineError): void => {
      reject(error);
      child.kill('SIGKILL');
    };
    const cancel = (): void => end(new EngineError('ECLOSED', 'the trial was ended'));
    const late = setTimeout(() => end(new EngineError('ETIMEOUT', `it has not rendered a frame within ${limitMs / 1000} s`)), limitMs);
    const look = setInterval(() => {
      void residentMemory(child.pid ?? 0).then((bytes = 0) => {
        if (bytes > availableMemory()) end(new EngineError('EMEMORY', 'it takes more memory than there is'));
      });
    }, LOOK_MS);
    signal?.addEventListener('abort', cancel, { once: true });
    child.on('message', (answer: TrialAnswer) => ('error' in answer ? reject(fromWireError(answer.error)) : resolve(answer.result)));
    child.once('error', (error) => reject(new EngineError('EHOST', `it could not be tried: ${error.message}`)));
    child.once('close', (code, killed) => {
      clearTimeout(late);
      clearInterval(look);
      signal?.removeEventListener('abort', cancel);
      // This has no effect unless the process ended without an answer.
      reject(new EngineError('EHOST', `its driver crashes (${killed ?? `code ${code}`})`));
    });
    child.send(order, () => undefined);
    if (signal?.aborted) cancel();
  });
}

/** Why there is too little memory: beside a running engine, there must be room for the model a second time. */
async function shortOfMemory({ model, autoencoder }: ChoiceFor): Promise<string | undefined> {
  const { nets } = await findFiles(modelFolder(model), autoencoder);
  const needed = OVERHEAD * Object.values(nets).reduce((sum, { bytes }) => sum + bytes, 0);
  const free = (process as { availableMemory?: () => number }).availableMemory?.() ?? Infinity;
  if (needed <= free) return undefined;
  return `there is too little free memory to try it beside the engine: ${megabytes(needed)} of ${megabytes(free)}`;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;

/** STREAMDIFFUSION_CACHE, or a folder beside that of the models. */
export function choiceMemory(env: NodeJS.ProcessEnv = process.env): string {
  return memoryFile('providers.json', env);
}

/** The key of a choice. After a new card, driver, version or provider files, or a rewritten model, providers are tried again. */
async function keyOf({ model, autoencoder, executionProviders, intraOpNumThreads, int8 }: ChoiceFor): Promise<string> {
  const folder = modelFolder(model);
  const { nets } = await findFiles(folder, autoencoder);
  const files = await Promise.all(
    Object.entries(nets).map(async ([name, { path, bytes }]) => [name, bytes, Math.round((await stat(path)).mtimeMs)]),
  );
  const machine = [process.platform, process.arch, [...new Set(cpus().map((cpu) => cpu.model))], availableParallelism(), signsOfCards()];
  const wish = [executionProviders?.[0], intraOpNumThreads, int8];
  const hash = createHash('sha256').update(JSON.stringify([machine, versions(), folder, files, wish]));
  return hash.digest('hex').slice(0, 24);
}

function versions(): unknown[] {
  const read = (path: string): unknown => (JSON.parse(readFileSync(path, 'utf8')) as { version?: unknown }).version;
  return ['onnxruntime-node/package.json', '@streamdiffusion/node-red/package.json'].map((path) => {
    try {
      return read(require.resolve(path));
    } catch {
      return undefined;
    }
  });
}

function signsOfCards(): unknown[] {
  const look = (read: () => unknown): unknown => {
    try {
      return read();
    } catch {
      return undefined;
    }
  };
  return [
    look(() => readdirSync('/dev/dri')),
    look(() => readFileSync('/proc/driver/nvidia/version', 'utf8')),
    look(() => readdirSync(join(dirname(require.resolve('onnxruntime-node/package.json')), 'bin'), { recursive: true })),
  ];
}

function isChoice(kept: unknown): kept is ProviderChoice {
  const { providers, tried } = (kept ?? {}) as Partial<ProviderChoice>;
  const areNames = Array.isArray(providers) && providers.length > 0 && providers.every((name) => /^[a-z]+(:\d+)?$/.test(String(name)));
  return areNames && Array.isArray(tried) && tried.every((each) => typeof each?.name === 'string');
}
