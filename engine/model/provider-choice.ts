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

/** In the place of a list of execution providers: the fastest on this machine that runs this model correctly. `automatic:1`: on the second card. */
export const AUTOMATIC = 'automatic';

export function isAutomatic(providers: readonly string[] = []): boolean {
  return providers.length === 1 && providers[0].split(':')[0] === AUTOMATIC;
}

/** What came of trying an execution provider. */
export interface TriedProvider {
  name: string;
  /** Why it is not taken; undefined when it is right. */
  reason?: string;
  /** Of one frame of 256 × 256 in one step, ms. */
  ms?: number;
  /** From the processor's picture, relative. */
  difference?: number;
}

export interface ProviderChoice {
  /** Execution providers by preference, for an engine: what was chosen, and the processor behind it. */
  providers: string[];
  /** All that were tried, the processor last. */
  tried: TriedProvider[];
}

/** The engine that the choice is for. */
export type ChoiceFor = Pick<ModelSettings, 'model' | 'executionProviders' | 'intraOpNumThreads' | 'int8' | 'autoencoder'>;

export interface TrialSettings {
  /** The file that keeps what was found. */
  memory?: string;
  /** What one provider may take to load the model and render some frames, ms. Default 3 minutes. */
  limitMs?: number;
  /** Ends what is under way; then the promise rejects with ECLOSED. */
  signal?: AbortSignal;
}

/** Relative: what is further from the processor's pictures is wrong. Float16 on cards is some thousandths off. */
const TOLERANCE = 1e-2;
/** A card is taken from so many times the processor's speed on: it costs a start, and drivers can fail. */
const PAYS_FROM = 1.1;
const LIMIT_MS = 180_000;
const LOOK_MS = 500;
/** Models and machines that are remembered. */
const REMEMBERED = 50;
/** Nets in memory take so many times their files. */
const OVERHEAD = 2;
const WITH_DEVICE = ['cuda', 'dml'];

/** What was chosen for this model on this machine; undefined where that has not been tried. */
export async function recallChoice(engine: ChoiceFor, memory = choiceMemory()): Promise<ProviderChoice | undefined> {
  const kept = (await recall(memory))[await keyOf(engine)];
  return isChoice(kept) ? kept : undefined;
}

/**
 * Tries every execution provider of this system with the model's own nets, each in a process of its own, compares what it
 * renders with the processor's float32, and remembers the fastest that is right.
 *
 * Rejects with ENOMODEL or EBADMODEL when the model cannot be used, ECLOSED when it was ended.
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

/** @returns isFinal: whether another try would come to the same */
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
  // In int8, where it computes so: that is what a card has to beat.
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

/** Writes into `tried` what came out; resolves to undefined when that is nothing good. */
async function attempt(tried: TriedProvider, order: TrialOrder, settings: TrialSettings): Promise<TrialResult | undefined> {
  try {
    const result = await run(order, settings);
    tried.ms = Math.round(result.ms * 100) / 100;
    if (result.difference === undefined) return result;
    tried.difference = Number(result.difference.toPrecision(2));
    if (result.difference <= TOLERANCE) return result;
    tried.reason = `it paints something else than the processor (off by ${tried.difference}, of at most ${TOLERANCE})`;
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
    const late = setTimeout(() => end(new EngineError('ETIMEOUT', `it has not painted within ${limitMs / 1000} s`)), limitMs);
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
      // Settled already unless the process ended without a word.
      reject(new EngineError('EHOST', `its driver crashes (${killed ?? `code ${code}`})`));
    });
    child.send(order, () => undefined);
    if (signal?.aborted) cancel();
  });
}

/** Beside a running engine there must be room for the model a second time. */
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

/** A card that was put in, a driver, provider files, another version, or a model that was written anew: all is tried again. */
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
