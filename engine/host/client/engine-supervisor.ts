import { EventEmitter } from 'node:events';
import { EngineError, type ErrorCode } from '../../errors';
import { SerialQueue } from '../../util/serial-queue';
import { type Ending, EngineProcess } from './engine-process';
import { RemoteStream } from './remote-stream';
import type { PromptSpec, HostReport, HostSettings, HostState, StreamSettings } from '../protocol/messages';
import { type ChoiceFor, type ProviderChoice, chooseProvider, isAutomatic, recallChoice } from '../../model/provider-choice';
import { PROMPT_PICTURES } from './prompt-pictures';
import { ProviderOrder } from './provider-order';
import { Restarts } from './restarts';
import type { Notification } from '../protocol/wire';

/** Errors that another try cannot fix: somebody must change a file or a setting first. */
const LASTING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ENOMODEL', 'EBADMODEL', 'ENOPROVIDER', 'EBADPARAM', 'ENOCODEC']);
/** Errors of a frame whose cause is the engine rather than the frame. */
const UNWELL: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['EBADMODEL', 'EHOST', 'EINTERNAL']);
/** After this many failures in a row, each of a frame that was sent after the previous failure, the process is replaced. */
const UNWELL_LIMIT = 3;
/** After this many crashes in a row, the execution provider that may have caused them is given up for the next one. */
const PROVIDER_CHANCES = 2;
/** After this many ends for lack of memory without a healthy run between them, streams go back to their safe settings. */
const MEMORY_CHANCES = 2;
/** After this many ends in a row, frames no longer wait for the next start. */
const PATIENCE = 3;

/** For `automatic`, untried providers are tried this long after the engine is ready, ms, so that the first pictures are not delayed. */
const TRIAL_AFTER = 3000;
/** When a process is replaced, its frames in flight have this long to finish, ms. */
const DRAIN_LIMIT = 5000;

/** The parent's side of one engine: restarts its process and opens its streams again. */
export class EngineSupervisor extends EventEmitter<{ state: [HostState]; choice: [ProviderChoice] }> {
  private process: EngineProcess | undefined;
  private readonly streams = new Map<number, RemoteStream>();
  private streamsMade = 0;
  private readonly openings = new SerialQueue();
  private readonly restarts: Restarts;
  private readonly providers: ProviderOrder;
  private retry: NodeJS.Timeout | undefined;
  private readyAt: number | undefined;
  private unwell = 0;
  private unwellAt = 0;
  private outOfMemory = 0;
  private current: HostState = { phase: 'stopped' };
  private since = Date.now();
  /** The choice for `automatic`. */
  private choice: ProviderChoice | undefined;
  private trial: AbortController | undefined;

  constructor(private readonly settings: HostSettings) {
    super();
    this.setMaxListeners(0); // every node that uses the engine listens
    this.restarts = new Restarts(settings.restarts);
    this.providers = new ProviderOrder(isAutomatic(settings.executionProviders) ? ['cpu'] : (settings.executionProviders ?? ['cpu']));
  }

  /** Whether a choice of execution providers for those settings applies to this engine. */
  isFor({ model, autoencoder, executionProviders, intraOpNumThreads, int8 }: ChoiceFor): boolean {
    const { settings } = this;
    const isModel = settings.model === model && settings.autoencoder === autoencoder;
    const isSame = isModel && settings.intraOpNumThreads === intraOpNumThreads && settings.int8 === int8;
    return this.isAutomatic && isSame && settings.executionProviders?.[0] === executionProviders?.[0];
  }

  /** Takes over a choice for `automatic`. If it is another provider, frames move there once it is loaded. */
  async adopt(choice: ProviderChoice): Promise<void> {
    this.trial?.abort();
    this.choice = choice;
    this.emit('choice', choice);
    const isNew = choice.providers.join() !== this.providers.left.join();
    this.providers.want(choice.providers);
    if (isNew) await this.move();
  }

  get state(): HostState {
    return this.current;
  }

  /** The engine process's id, while there is one. */
  get pid(): number | undefined {
    return this.process?.pid;
  }

  get report(): HostReport {
    return {
      state: this.current,
      since: this.since,
      restarts: this.restarts.count,
      memoryBytes: this.process?.memoryBytes ?? 0,
      streams: [...this.streams.values()].map(({ name, stats }) => ({ name, stats })),
    };
  }

  /** Starts the process, unless it runs or is starting. */
  start(): void {
    if (this.current.phase === 'stopped' || this.current.phase === 'failed') void this.launch();
  }

  /**
   * Returns at once; the stream waits for the engine.
   *
   * @param name the stream's name, for people
   * @param safe the settings to go back to when later ones take more memory than there is
   */
  openStream(settings: StreamSettings, conditioning?: PromptSpec, name = '', safe = settings): RemoteStream {
    const id = this.streamsMade++;
    const stream = new RemoteStream(id, name, settings, safe, conditioning, this.openings, () => this.streams.delete(id));
    stream.onAnswer = (sentAt, error) => this.judge(sentAt, error);
    this.streams.set(id, stream);
    if (this.current.phase === 'ready' && this.process) stream.attach(this.process);
    else if (this.current.phase === 'failed') stream.detach(this.current.error);
    return stream;
  }

  /** Ends the process and closes all streams. */
  async stop(): Promise<void> {
    clearTimeout(this.retry);
    this.trial?.abort();
    this.become({ phase: 'stopped' });
    const closed = [...this.streams.values()].map((stream) => stream.close());
    await this.process?.kill();
    await Promise.all(closed);
  }

  /** @param quietly for a try that is unlikely to work: the state does not change until it has */
  private async launch(quietly = false): Promise<void> {
    clearTimeout(this.retry);
    // A quiet try may be under way.
    const before = this.process;
    this.process = undefined;
    void before?.kill();
    if (!quietly) this.become({ phase: 'starting' });
    this.readyAt = undefined;
    this.unwell = 0;
    if (this.isAutomatic && !this.choice) {
      await this.recall();
      if (this.process || this.current.phase === 'stopped') return;
    }
    this.providers.forgive();
    const process = new EngineProcess(this.settings);
    this.takeOn(process);
    try {
      const { info, warnings } = await process.request('load', { ...this.settings, executionProviders: this.providers.left });
      if (this.process !== process || this.current.phase === 'stopped') return;
      this.readyAt = performance.now();
      this.become({ phase: 'ready', info, warnings: [...warnings, ...this.providers.notes] });
      for (const stream of this.streams.values()) stream.attach(process);
      if (this.isAutomatic && !this.choice) void this.tryProviders();
    } catch (thrown) {
      const error = EngineError.from(thrown, 'EHOST');
      // If the process ended while loading, 'exit' has handled it.
      if (LASTING.has(error.code)) await this.fail(process, error);
      else await process.kill(error);
    }
  }

  private takeOn(process: EngineProcess): void {
    this.process = process;
    process.once('exit', (ending) => this.lost(process, ending));
    process.on('notification', (notification) => {
      // A process that was replaced may also ask while it finishes its frames.
      if (notification.event === 'wants') void this.bring(process, notification.picture);
      else if (this.process === process) this.hear(notification);
    });
  }

  private get isAutomatic(): boolean {
    return isAutomatic(this.settings.executionProviders) && !this.settings.server;
  }

  private async recall(): Promise<void> {
    // Faults of the model are reported by the engine's process.
    this.choice = await recallChoice(this.settings).catch(() => undefined);
    if (this.choice) this.providers.want(this.choice.providers);
  }

  /** Tries the providers in the background, while the engine renders on the processor. */
  private async tryProviders(): Promise<void> {
    if (this.trial) return;
    const trial = new AbortController();
    this.trial = trial;
    await new Promise((resolve) => setTimeout(resolve, TRIAL_AFTER).unref());
    const choice = await chooseProvider(this.settings, { signal: trial.signal }).catch(() => undefined);
    if (this.trial === trial) this.trial = undefined;
    if (choice && !trial.signal.aborted) await this.adopt(choice);
  }

  /** Moves to a process on the providers that are wanted now: it takes over once it has loaded the model and the frames in flight have finished. */
  private async move(): Promise<void> {
    const before = this.process;
    if (!before || this.current.phase !== 'ready') return;
    const next = new EngineProcess(this.settings);
    try {
      const { info, warnings } = await next.request('load', { ...this.settings, executionProviders: this.providers.left });
      if (this.process !== before || this.current.phase !== 'ready') return await next.kill();
      const moving = [...this.streams.values()];
      for (const stream of moving) stream.detach();
      this.takeOn(next);
      this.readyAt = performance.now();
      await before.drained(DRAIN_LIMIT);
      await before.kill();
      if (this.process !== next || this.current.phase !== 'ready') return;
      this.become({ phase: 'ready', info, warnings });
      for (const stream of moving) stream.attach(next);
    } catch {
      // The new provider does not work after all: the engine stays where it is, and the next start reports why.
      await next.kill();
    }
  }

  private async bring(process: EngineProcess, id: string): Promise<void> {
    // A process that ends instead of answering needs no picture.
    await process.request('picture', { id, picture: PROMPT_PICTURES.get(id) }).catch(() => undefined);
  }

  private hear(notification: Notification): void {
    if (notification.event === 'taken') this.streams.get(notification.stream)?.taken();
    if (notification.event === 'warning') this.streams.get(notification.stream)?.onWarning(notification.text, notification.code);
    if (notification.event !== 'progress' || this.current.phase === 'stopped' || this.current.phase === 'failed') return;
    const { net, loadedBytes, totalBytes } = notification;
    this.become({ phase: 'loading', net, loadedBytes, totalBytes });
  }

  /** Replaces a process after failures in a row: a driver that has lost its card fails every frame, and a new process may find the card again. */
  private judge(sentAt: number, error?: EngineError): void {
    if (!error) this.unwell = 0;
    // Frames that were in flight together fail together: that counts as one failure and says nothing about the next frame.
    if (!error || !UNWELL.has(error.code) || sentAt < this.unwellAt) return;
    this.unwellAt = performance.now();
    this.unwell++;
    if (this.unwell < UNWELL_LIMIT) return;
    const reason = new EngineError('EHOST', `the engine process failed ${UNWELL_LIMIT} times in a row and was ended: ${error.message}`, {
      cause: error,
    });
    void this.process?.kill(reason, true);
  }

  private async fail(process: EngineProcess, error: EngineError): Promise<void> {
    if (this.current.phase === 'stopped' || this.process !== process) return;
    this.process = undefined;
    if (error.code === 'ENOPROVIDER') this.providers.forgiveAll();
    this.giveUp(error);
    await process.kill();
  }

  private giveUp(error: Error): void {
    const known = this.current.phase === 'failed' && this.current.error.message === error.message;
    if (!known) this.become({ phase: 'failed', error });
    for (const stream of this.streams.values()) stream.detach(error);
    this.retry = setTimeout(() => void this.launch(true), this.restarts.hopeless());
    this.retry.unref();
  }

  /** The process has ended: starts another after a pause that grows each time. */
  private lost(process: EngineProcess, { error, byItself }: Ending): void {
    if (this.current.phase === 'stopped' || this.process !== process) return;
    this.process = undefined;
    if (this.current.phase === 'failed') return this.giveUp(this.current.error);
    const provider = this.current.phase === 'ready' ? this.current.info.executionProvider : undefined;
    const delayMs = this.restarts.ended(this.readyAt === undefined ? 0 : performance.now() - this.readyAt);
    const { attempt } = this.restarts;
    if (attempt === 1) this.outOfMemory = 0;
    // Before the engine was ready, the model alone took too much memory, whatever the streams need.
    if (error.code === 'EMEMORY' && this.readyAt !== undefined && ++this.outOfMemory >= MEMORY_CHANCES) this.lighten(error);
    if (byItself && attempt >= PROVIDER_CHANCES) this.providers.giveUp(provider, error.message);
    for (const stream of this.streams.values()) stream.detach(attempt > PATIENCE ? error : undefined);
    this.become({ phase: 'restarting', error, attempt, delayMs });
    this.retry = setTimeout(() => void this.launch(), delayMs);
  }

  /** Streams go back to their safe settings; where all have them already, the largest stream is suspended until its settings change. */
  private lighten(error: EngineError): void {
    this.outOfMemory = 0;
    const streams = [...this.streams.values()];
    const gone = streams.filter((stream) => stream.goBack());
    if (gone.length === 0) streams.sort((a, b) => b.weight - a.weight)[0]?.setAside(error);
  }

  private become(state: HostState): void {
    if (state.phase !== this.current.phase) this.since = Date.now();
    this.current = state;
    this.emit('state', state);
  }
}
