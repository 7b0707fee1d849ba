import type { NodeMessage } from 'node-red';
import { readChoice } from './fields';
import type { OpeningHours } from './opening-hours';

const LOOK_MS = 1000;

/** Whether a node is open now: by its hours, unless a message says otherwise. The hours go by the clock on the wall, so that is looked at. */
export class Opening {
  private override: { isOpen: boolean; until: number } | undefined;
  private wasOpen: boolean;
  private readonly timer: NodeJS.Timeout | undefined;

  /**
   * @param hours undefined: always open
   * @param onChange told when it opens or closes
   */
  constructor(
    private readonly hours: OpeningHours | undefined,
    private readonly onChange: (isOpen: boolean) => void,
    private readonly now = (): number => Date.now(),
  ) {
    this.wasOpen = this.isOpen;
    if (hours) this.timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  get isOpen(): boolean {
    const now = this.now();
    if (this.override && now >= this.override.until) this.override = undefined;
    return this.override?.isOpen ?? this.hours?.isOpen(now) ?? true;
  }

  /** When it next opens, ms since 1970; undefined where only a message opens it. */
  get opens(): number | undefined {
    return this.hours?.nextOpening(this.now());
  }

  /**
   * `msg.hours`: `open` or `closed` whatever the hours say, until they next open, so that nobody has to think of it; `auto`: as they say.
   * @throws EBADPARAM
   */
  obey({ hours }: NodeMessage): void {
    const order = readChoice(hours, 'msg.hours', ['open', 'closed', 'auto'] as const);
    this.override = order === 'auto' ? undefined : { isOpen: order === 'open', until: this.opens ?? Infinity };
    this.look();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const { isOpen } = this;
    if (isOpen === this.wasOpen) return;
    this.wasOpen = isOpen;
    this.onChange(isOpen);
  }
}
