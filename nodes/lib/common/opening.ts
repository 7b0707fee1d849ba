import type { NodeMessage } from 'node-red';
import { readChoice } from './fields';
import type { OpeningHours } from './opening-hours';

const LOOK_MS = 1000;

/** Whether a node is open now: by its hours, unless a message says otherwise. Hours are in local time, so the wall clock is checked regularly. */
export class Opening {
  private override: { isOpen: boolean; until: number } | undefined;
  private wasOpen: boolean;
  private readonly timer: NodeJS.Timeout | undefined;

  /**
   * @param hours undefined for always open
   * @param onChange called when it opens or closes
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
   * Obeys `msg.hours`: `open` or `closed` overrides the hours until they next open, so that nobody has to undo it; `auto` follows
   * them.
   *
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
