import { basename } from 'node:path';
import type { Node, NodeMessageInFlow } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { ErrorThrottle } from '../common/error-throttle';
import { quote } from '../../../engine/util/quote';
import { FrameRate } from '../common/frame-rate';
import { withCode } from '../common/input';
import { isReset } from '../common/message';
import type { PictureFacts, Producer } from '../common/producer';
import { SerialQueue } from '../../../engine/util/serial-queue';
import { Opening } from '../common/opening';
import type { SourceSettings } from './settings';
import { shorten, type Status, type Translate } from '../common/status';

const STATUS_MS = 1000;

/**
 * A source node between its start and its close. It has a producer while it runs, and sends its pictures. It runs while it was
 * told to and its hours are open.
 */
export class FrameSource {
  private producer: Producer | undefined;
  /** Whether it should run while it is open. */
  private isWanted: boolean;
  private readonly opening: Opening;
  private readonly changes = new SerialQueue();
  private lastFrameId = 0;
  private readonly faults = new ErrorThrottle();
  private readonly rate = new FrameRate();
  private readonly ticker = setInterval(() => this.showRate(), STATUS_MS).unref();

  constructor(
    private readonly node: Node,
    private readonly settings: SourceSettings,
    private readonly status: Status,
    private readonly translate: Translate,
  ) {
    this.isWanted = settings.autostart;
    this.opening = new Opening(settings.hours, () => void this.change().catch((thrown: unknown) => this.fail(thrown)));
    if (this.isToRun) this.start();
    else this.showRest();
  }

  /** Starts, stops or restarts, as the message says. Rejects with EBADPARAM for anything else. */
  async take(msg: NodeMessageInFlow): Promise<void> {
    if (msg.hours !== undefined) {
      this.opening.obey(msg);
      await this.changes.idle();
      if (!isCommand(msg)) return;
    }
    const command = commandOf(msg);
    await this.change(command !== 'stop', command === 'restart');
  }

  async close(): Promise<void> {
    clearInterval(this.ticker);
    this.opening.close();
    this.status.close();
    this.isWanted = false;
    await this.changes.run(() => this.stop());
  }

  private get isToRun(): boolean {
    return this.isWanted && this.opening.isOpen;
  }

  /** Changes are made one after the other: a camera must be released before it is opened again. */
  private change(isWanted = this.isWanted, anew = false): Promise<void> {
    return this.changes.run(async () => {
      this.isWanted = isWanted;
      if (anew || !this.isToRun) await this.stop();
      if (anew) await this.settings.restart?.();
      if (this.isToRun) this.start();
      else this.showRest();
    });
  }

  private showRest(): void {
    if (this.isWanted && !this.opening.isOpen) this.status.outOfHours(this.opening.opens);
    else this.status.stopped();
  }

  private start(): void {
    if (this.producer) return;
    this.status.show('waiting', this.translate('status.starting'));
    try {
      this.producer = this.settings.produce({
        frame: (jpeg, facts) => this.send(jpeg, facts),
        waiting: (forWhat) => this.wait(forWhat),
        failed: (error, retryMs) => this.fail(error, retryMs),
        ended: () => this.end(),
      });
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  private async stop(): Promise<void> {
    const { producer } = this;
    this.producer = undefined;
    await producer?.stop();
  }

  private send(payload: Buffer, { filename, ...facts }: PictureFacts = {}): void {
    if (filename) this.status.show('running', shorten(basename(filename), 32));
    else this.rate.count();
    const { kind: source, width, height, topic } = this.settings;
    const frame = { id: ++this.lastFrameId, width, height, timestamp: Date.now(), source, ...facts };
    this.node.send({ payload, contentType: 'image/jpeg', topic, frame, ...(filename && { filename }) });
  }

  private fail(thrown: unknown, retryMs?: number): void {
    const error = withCode(thrown);
    this.status.error(error);
    if (this.faults.isNews(error)) this.node.error(error, {});
    if (retryMs === undefined) this.producer = undefined;
  }

  private wait(forWhat: 'visitor' | 'picture'): void {
    // Clears the count, so that the frames until now are not counted in the next rate.
    this.rate.take();
    this.status.show('waiting', this.translate(`status.waiting-${forWhat}`));
  }

  private end(): void {
    this.producer = undefined;
    this.status.show('stopped', this.translate('status.ended'));
  }

  private showRate(): void {
    const fps = this.rate.take();
    if (fps > 0 && this.producer) this.status.show('running', this.status.rate(fps));
  }
}

/** Whether a message with another purpose is also a command. */
const isCommand = (msg: NodeMessageInFlow): boolean =>
  isReset(msg) || [true, false, 'start', 'stop'].includes(msg.payload as string | boolean);

/** The command in a message; `msg.reset` restarts from the first picture. */
function commandOf(msg: NodeMessageInFlow): 'start' | 'stop' | 'restart' {
  if (isReset(msg)) return 'restart';
  if (msg.payload === true || msg.payload === 'start') return 'start';
  if (msg.payload === false || msg.payload === 'stop') return 'stop';
  throw new EngineError('EBADPARAM', `a frame source takes "start", "stop", true or false as msg.payload, not ${quote(msg.payload)}`);
}
