import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How a provider of the stub behaves: like the CPU, with a delay, wrongly, or not at all. */
export type Behaviour =
  | 'right'
  | 'fast'
  | 'slow'
  | 'lies'
  | 'lies a little'
  | 'nan'
  | 'hangs'
  | 'crashes'
  | 'hangs at a session'
  | 'missing';

/**
 * Replaces ONNX Runtime's providers in every process that is started during `work`. Sessions run on the CPU, but give
 * results and times as `behaviours` say.
 */
export async function withProviders<T>(behaviours: Record<string, Behaviour>, work: (memory: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'providers-'));
  const { NODE_OPTIONS, STREAMDIFFUSION_CACHE } = process.env;
  await writeFile(join(folder, 'stub.cjs'), `${STUB}(${JSON.stringify(behaviours)});`);
  process.env.NODE_OPTIONS = `--require ${join(folder, 'stub.cjs')}`;
  process.env.STREAMDIFFUSION_CACHE = folder;
  try {
    return await work(join(folder, 'providers.json'));
  } finally {
    set('NODE_OPTIONS', NODE_OPTIONS);
    set('STREAMDIFFUSION_CACHE', STREAMDIFFUSION_CACHE);
    await rm(folder, { recursive: true, force: true });
  }
}

function set(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

/** Runs in another process: a convolution tells a model's net from the addition that providers are first tried with. */
const STUB = `(function (behaviours) {
  const Module = require('node:module');
  const load = Module._load;
  const wrapped = new WeakMap();
  const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  Module._load = function (name, ...rest) {
    const library = load.call(this, name, ...rest);
    if (name !== 'onnxruntime-node' || wrapped.has(library)) return wrapped.get(library) ?? library;
    const { InferenceSession } = library;
    const stub = Object.create(library, { InferenceSession: { value: { create: async (model, options) => {
      const [{ name: provider }] = options.executionProviders;
      const behaviour = behaviours[provider];
      if (provider === 'cpu') {
        const session = await InferenceSession.create(model, options);
        // The CPU is slowed down, so that a card can be faster.
        return behaviour === 'slow' ? delayed(session, /trial-main/.test(process.argv[1]) ? 240 : 50) : session;
      }
      if (behaviour === undefined || behaviour === 'missing') throw new Error('backend not found for ' + provider);
      const session = await InferenceSession.create(model, { ...options, executionProviders: [{ name: 'cpu' }] });
      const isProbe = session.inputNames.length === 1 && session.inputNames[0] === 'x';
      if (isProbe) return session;
      if (behaviour === 'hangs at a session') await new Promise(() => setInterval(() => undefined, 1000));
      if (behaviour === 'right' || behaviour === 'fast') return session;
      return {
        inputMetadata: session.inputMetadata, outputMetadata: session.outputMetadata, release: () => session.release(),
        run: async (feeds) => {
          const results = await session.run(feeds);
          if (behaviour === 'slow') wait(60);
          if (behaviour === 'hangs') wait(1e9);
          if (behaviour === 'crashes') process.kill(process.pid, 'SIGSEGV');
          for (const { data } of Object.values(results)) {
            if (!(data instanceof Float32Array)) continue;
            for (let k = 0; k < data.length; k++) data[k] = { lies: -data[k], 'lies a little': 1.03 * data[k], nan: NaN }[behaviour] ?? data[k];
          }
          return results;
        },
      };
    } } } });
    // From another realm of properties: the rest is the library's own.
    wrapped.set(library, stub);
    return stub;
  };
  // The waiting time counts as work of all cores, but costs this machine nothing.
  function delayed(session, ms) {
    const { cpuUsage } = process;
    let waited = 0;
    process.cpuUsage = (since) => {
      const { user, system } = cpuUsage.call(process);
      const sum = { user: user + 1000 * waited * require('node:os').availableParallelism(), system };
      return since ? { user: sum.user - since.user, system: sum.system - since.system } : sum;
    };
    return { inputMetadata: session.inputMetadata, outputMetadata: session.outputMetadata, release: () => session.release(),
      run: (feeds) => { wait(ms); waited += ms; return session.run(feeds); } };
  }
})`;
