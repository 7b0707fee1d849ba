import { EventEmitter } from 'node:events';
import { EngineError, type ErrorCode } from '../errors';
import { EngineProcess } from './engine-process';
import { HostStream } from './host-stream';
import type { ConditioningRequest, HostSettings, HostState, StreamSettings } from './messages';
import type { Notification } from './wire';

/** What another try cannot mend: somebody has to change a file or a setting first. */
const LASTING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ENOMODEL', 'EBADMODEL', 'ENOPROVIDER', 'EBADPARAM']);
const FIRST_RETRY = 250;
const LAST_RETRY = 30_000;
/** A process that has run for this long was sound: its crash starts the delays anew, ms. */
const SOUND_AFTER = 60_000;

/** The parent's side of one engine: keeps its process alive and its streams set up. */
export class HostClient extends EventEmitter<{ state: [HostState] }> {
  private process: EngineProcess | undefined;
  private readonly streams = new Map<number, HostStream>();
  private streamsMade = 0;
  private attempt = 0;
  private retry: NodeJS.Timeout | undefined;
  private readyAt = 0;
  private current: HostState = { phase: 'stopped' };

  constructor(private readonly settings: HostSettings) {
    super();
    this.setMaxListeners(0); // one for every node that uses the engine
  }

  get state(): HostState {
    return this.current;
  }

  /** Of the engine process, while there is one. */
  get pid(): number | undefined {
    return this.process?.pid;
  }

  /** Starts the process, unless it runs or is about to. */
  start(): void {
    if (this.current.phase === 'stopped' || this.current.phase === 'failed') void this.launch();
  }

  /** Does not wait for the engine: what needs it waits inside. */
  openStream(settings: StreamSettings, conditioning?: ConditioningRequest): HostStream {
    const id = this.streamsMade++;
    const stream = new HostStream(id, settings, conditioning, () => this.streams.delete(id));
    this.streams.set(id, stream);
    if (this.current.phase === 'ready' && this.process) stream.attach(this.process);
    else if (this.current.phase === 'failed') stream.detach(this.current.error);
    return stream;
  }

  /** Ends the process and closes all streams. */
  async stop(): Promise<void> {
    clearTimeout(this.retry);
    this.become({ phase: 'stopped' });
    const closed = [...this.streams.values()].map((stream) => stream.close());
    await this.process?.kill();
    await Promise.all(closed);
  }

  private async launch(): Promise<void> {
    this.become({ phase: 'starting' });
    const process = new EngineProcess(this.settings.silenceLimit);
    this.process = process;
    process.once('exit', (error) => this.lost(error));
    process.on('notification', (notification) => this.hear(notification));
    try {
      const { info, warnings } = await process.request('load', this.settings);
      if (this.process !== process || this.current.phase === 'stopped') return;
      this.readyAt = Date.now();
      this.become({ phase: 'ready', info, warnings });
      for (const stream of this.streams.values()) stream.attach(process);
    } catch (thrown) {
      const error = EngineError.from(thrown, 'EHOST');
      // A process that died while loading has been dealt with by its exit.
      if (LASTING.has(error.code)) await this.fail(process, error);
      else await process.kill();
    }
  }

  private hear(notification: Notification): void {
    if (notification.event === 'taken') this.streams.get(notification.stream)?.taken();
    if (notification.event === 'warning') this.streams.get(notification.stream)?.onWarning(notification.text);
    if (notification.event !== 'progress' || this.current.phase === 'stopped') return;
    const { net, loadedBytes, totalBytes } = notification;
    this.become({ phase: 'loading', net, loadedBytes, totalBytes });
  }

  private async fail(process: EngineProcess, error: EngineError): Promise<void> {
    if (this.current.phase === 'stopped') return;
    this.process = undefined;
    this.become({ phase: 'failed', error });
    for (const stream of this.streams.values()) stream.detach(error);
    await process.kill();
  }

  /** The process has gone: wait a little, longer every time, and start another. */
  private lost(error: EngineError): void {
    if (this.current.phase === 'stopped' || this.current.phase === 'failed') return;
    this.process = undefined;
    for (const stream of this.streams.values()) stream.detach();
    const sound = this.current.phase === 'ready' && Date.now() - this.readyAt > SOUND_AFTER;
    this.attempt = sound ? 1 : this.attempt + 1;
    const delayMs = Math.round(Math.min(LAST_RETRY, FIRST_RETRY * 2 ** (this.attempt - 1)) * (0.8 + 0.4 * Math.random()));
    this.become({ phase: 'restarting', error, attempt: this.attempt, delayMs });
    this.retry = setTimeout(() => void this.launch(), delayMs);
  }

  private become(state: HostState): void {
    this.current = state;
    this.emit('state', state);
  }
}
