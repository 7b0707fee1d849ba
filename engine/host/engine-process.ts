import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { EngineError } from '../errors';
import { fromWireError, type Method, type Methods, type Notification, type Response } from './wire';

interface Pending {
  resolve: (result: unknown) => void;
  reject: (error: EngineError) => void;
}

interface Events {
  notification: [Notification];
  /** The process is gone, for this reason; every pending request has been rejected with it. */
  exit: [EngineError];
}

const SILENCE_LIMIT = 120_000;
/** Reading the weights of a big model blocks its process for longer than a run does, ms. */
const LOADING_SILENCE_LIMIT = 600_000;
const STDERR_KEPT = 4096;

/** One life of an engine process: requests and answers over its pipe, and a deadline for its silence. */
export class EngineProcess extends EventEmitter<Events> {
  private readonly child: ChildProcess;
  private readonly pending = new Map<number, Pending>();
  private requests = 0;
  private lastHeard = Date.now();
  private loading = false;
  private stderr = '';
  private gone: EngineError | undefined;
  private killedFor: string | undefined;
  private readonly watchdog: NodeJS.Timeout;

  /** @param silenceLimit ms without a sign of life after which the process is ended, once the model is loaded */
  constructor(private readonly silenceLimit = SILENCE_LIMIT) {
    super();
    this.child = fork(join(__dirname, 'main.js'), [], {
      serialization: 'advanced',
      // Telemetry of ONNX Runtime is off before the library loads; inspector options of the parent would clash over the port.
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
      execArgv: process.execArgv.filter((option) => !option.startsWith('--inspect')),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child.on('message', (message: Response | Notification) => this.hear(message));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr = (this.stderr + text).slice(-STDERR_KEPT)));
    this.child.once('error', (error) => this.end(`could not be started: ${error.message}`));
    this.child.once('close', (code, signal) => this.end(signal ? `was ended by ${signal}` : `ended with code ${code}`));
    this.watchdog = setInterval(() => this.watch(), 1000);
    this.watchdog.unref();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Settles with the answer, or rejects with the engine's error, or with EHOST or ETIMEOUT when the process dies before. */
  request<M extends Method>(method: M, params: Methods[M]['params']): Promise<Methods[M]['result']> {
    if (this.gone) return Promise.reject(this.gone);
    const id = this.requests++;
    if (this.pending.size === 0) this.lastHeard = Date.now();
    if (method === 'load') this.loading = true;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      // A pipe that breaks is followed by 'close', which settles everything.
      this.child.send({ id, method, params }, () => undefined);
    });
  }

  /** Ends the process at once and waits until it is gone. */
  async kill(reason?: string): Promise<void> {
    if (this.gone) return;
    this.killedFor ??= reason;
    const exited = new Promise((resolve) => this.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }

  private hear(message: Response | Notification): void {
    this.lastHeard = Date.now();
    if ('event' in message) {
      this.emit('notification', message);
      return;
    }
    const pending = this.pending.get(message.id);
    this.pending.delete(message.id);
    this.loading = false;
    if ('error' in message) pending?.reject(fromWireError(message.error));
    else pending?.resolve(message.result);
  }

  private watch(): void {
    const limit = this.loading ? LOADING_SILENCE_LIMIT : this.silenceLimit;
    if (this.pending.size > 0 && Date.now() - this.lastHeard > limit) {
      void this.kill(`gave no sign of life for ${limit / 1000} s and was ended`);
    }
  }

  private end(how: string): void {
    if (this.gone) return;
    clearInterval(this.watchdog);
    const said = this.stderr.trim().split('\n').slice(-3).join(' ');
    const code = this.killedFor ? 'ETIMEOUT' : 'EHOST';
    this.gone = new EngineError(code, `the engine process ${this.killedFor ?? how}${said && `: ${said}`}`);
    for (const { reject } of this.pending.values()) reject(this.gone);
    this.pending.clear();
    this.emit('exit', this.gone);
  }
}
