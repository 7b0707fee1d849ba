import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { availableMemory } from '../../util/available-memory';
import { EngineError } from '../../errors';
import { Channel } from '../../util/channel';
import { childOptions } from '../../util/child-options';
import { endWithParent } from '../../util/orphan-guard';
import type { HostSettings } from '../protocol/messages';
import { IS_CHEAP, residentMemory } from '../../util/process-memory';
import { type Limits, type Owed, VitalSigns } from './vital-signs';
import type { Method, Methods, Notification, Order, Response } from '../protocol/wire';

/** Why a process ended. */
export interface Ending {
  error: EngineError;
  /** Whether it crashed or hung, so that its execution provider is suspect; false when somebody or a limit ended it. */
  byItself: boolean;
}

interface Events {
  notification: [Notification];
  /** The process has ended; every pending request has been rejected with the error. */
  exit: [Ending];
}

const LIMITS: Limits = { silence: 30_000, stall: 120_000, loading: 600_000, memory: availableMemory() };
const LOOK_INTERVAL = 500;
/** How often memory is measured, ms: it can grow fast, since a large picture takes its memory within a second. */
const WEIGH_INTERVAL = IS_CHEAP ? 100 : 2000;
/** A process that a driver holds in the kernel cannot be killed; it is abandoned after this time, ms. */
const KILL_LIMIT = 10_000;
/** How often `drained` checks for pending requests, ms. */
const DRAIN_LOOK = 10;
const STDERR_KEPT = 4096;
/**
 * In MB: with less than that in its heap and the pictures that it holds, V8 looks for garbage among the young alone. Its own limit
 * grows with the heap, which is small here, so that the pictures of every tenth frame had it search all of it.
 */
const HEAP = '--initial-old-space-size=128';
const CRASHES: readonly (NodeJS.Signals | null)[] = ['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGTRAP'];
/** Requests that may load or compile nets. */
const LOADING: readonly Method[] = ['load', 'open', 'update'];

/** One run of the engine process: requests and answers over its pipe, and a watch over its health. */
export class EngineProcess extends EventEmitter<Events> {
  private readonly child: ChildProcess;
  // A broken pipe is followed by 'close', which settles everything.
  private readonly channel = new Channel<Order, Method>((request) => this.child.send(request, () => undefined));
  private readonly signs: VitalSigns;
  private stderr = '';
  private weighing = false;
  private killedFor: Ending | undefined;
  private readonly watchdog: NodeJS.Timeout;
  private readonly scales: NodeJS.Timeout;

  constructor({ silenceLimit, stallLimit, memoryLimit }: Pick<HostSettings, 'silenceLimit' | 'stallLimit' | 'memoryLimit'> = {}) {
    super();
    const limits = {
      ...LIMITS,
      silence: silenceLimit ?? LIMITS.silence,
      stall: stallLimit ?? LIMITS.stall,
      memory: memoryLimit ?? LIMITS.memory,
    };
    this.signs = new VitalSigns(limits, LOOK_INTERVAL);
    this.child = fork(join(__dirname, '../process/main.js'), [], {
      serialization: 'advanced',
      // ONNX Runtime's telemetry must be off before the library loads; the parent's inspector options would claim the same port.
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
      execArgv: [HEAP, ...childOptions(process.execArgv)],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    endWithParent(this.child);
    this.child.on('message', (message: Response | Notification) => this.hear(message));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr = (this.stderr + text).slice(-STDERR_KEPT)));
    this.child.once('error', (error) => this.end(`could not be started: ${error.message}`, false));
    this.child.once('close', (code, signal) =>
      this.end(signal ? endedBy(signal) : `ended with code ${code}`, code !== null || CRASHES.includes(signal)),
    );
    this.watchdog = setInterval(() => this.watch(), LOOK_INTERVAL);
    this.watchdog.unref();
    this.scales = setInterval(() => void this.weigh(), WEIGH_INTERVAL).unref();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Resident memory, bytes, measured at most two seconds ago. */
  get memoryBytes(): number {
    return this.signs.memoryBytes;
  }

  /** Resolves with the answer. Rejects with the engine's error, or with the reason of the process's end when that comes first. */
  request<M extends Method>(method: M, params: Methods[M]['params']): Promise<Methods[M]['result']> {
    if (this.channel.size === 0) this.signs.heard();
    return this.channel.request({ method, params } as Order, method) as Promise<Methods[M]['result']>;
  }

  /** Resolves when no request is pending, or after `limitMs`. */
  async drained(limitMs: number): Promise<void> {
    for (const end = performance.now() + limitMs; this.channel.size > 0 && performance.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK));
    }
  }

  /**
   * Kills the process and waits until it has ended.
   * @param reason the error that pending requests are rejected with
   * @param byItself whether its execution provider is suspect
   */
  async kill(reason?: EngineError, byItself = false): Promise<void> {
    if (this.channel.closed) return;
    if (reason) this.killedFor ??= { error: reason, byItself };
    const exited = new Promise((resolve) => this.once('exit', resolve));
    this.child.kill('SIGKILL');
    const limit = setTimeout(() => this.end('does not end even when it is killed, and was abandoned', true), KILL_LIMIT);
    await exited;
    clearTimeout(limit);
  }

  private hear(message: Response | Notification): void {
    this.signs.heard();
    if ('event' in message) {
      if (message.event === 'alive') this.signs.heartbeat(message);
      else this.signs.worked();
      this.emit('notification', message);
      return;
    }
    this.signs.worked();
    if (!this.channel.hear(message))
      void this.kill(new EngineError('EHOST', 'the engine process sent an answer without a request and was ended'), true);
  }

  private watch(): void {
    const error = this.signs.check(this.owed);
    if (error) void this.kill(error, error.code === 'ETIMEOUT');
  }

  /** Measures memory. Where that is expensive, only a process that does not report it itself is measured. */
  private async weigh(): Promise<void> {
    const { pid } = this;
    if (pid === undefined || this.weighing || !(IS_CHEAP || this.signs.isQuiet)) return;
    this.weighing = true;
    const memory = await residentMemory(pid);
    this.weighing = false;
    if (memory === undefined || this.channel.closed) return;
    this.signs.weighed(memory);
    const { tooHeavy } = this.signs;
    if (tooHeavy) void this.kill(tooHeavy);
  }

  private get owed(): Owed {
    if (this.channel.size === 0) return 'nothing';
    return this.channel.notes.some((method) => LOADING.includes(method)) ? 'loading' : 'answers';
  }

  private end(how: string, byItself: boolean): void {
    if (this.channel.closed) return;
    clearInterval(this.watchdog);
    clearInterval(this.scales);
    const said = this.stderr.trim().split('\n').slice(-3).join(' ');
    const ending = this.killedFor ?? { error: new EngineError('EHOST', `the engine process ${how}${said && `: ${said}`}`), byItself };
    this.channel.close(ending.error);
    this.emit('exit', ending);
  }
}

function endedBy(signal: NodeJS.Signals): string {
  return `was ended by ${signal}${signal === 'SIGKILL' ? ' (by hand, or by the system because memory ran out)' : ''}`;
}
