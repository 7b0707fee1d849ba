import { EngineError } from '../../../engine/errors';
import { checkWebName } from './name';

/** A node that is deployed again comes back within this time, and has its name first, ms. */
const FREE_AFTER_MS = 1000;

/** What wants to be reached under a name. */
export interface Named {
  /** Told when it is reached under its name, at once or when another one lets go of it. */
  onServed?: () => void;
}

/** Who is reached under which name, and who waits for a name that another one has. */
export class WebNames<T extends Named> {
  private readonly served = new Map<string, T>();
  private readonly waiting = new Map<string, T[]>();

  /** @param what has a name, and who gives it, for errors: "camera page", "a source with a camera page" */
  constructor(
    private readonly what: string,
    private readonly owner = `a ${what}`,
  ) {}

  get names(): string[] {
    return [...this.served.keys()];
  }

  get(name: string): T | undefined {
    return this.served.get(name);
  }

  /**
   * Waits for the name when another one has it, until it is removed.
   * @throws EBADPARAM when the name cannot stand in an address, or another one has it
   */
  add(name: string, one: T): void {
    checkWebName(name, this.owner);
    if (this.served.has(name)) {
      this.waiting.set(name, [...(this.waiting.get(name) ?? []), one]);
      throw new EngineError('EBADPARAM', `another ${this.what} is called "${name}": choose a different name`);
    }
    this.serve(name, one);
  }

  /** Takes it away; the one that has waited longest for its name gets it then. */
  remove(name: string, one: T): void {
    const left = (this.waiting.get(name) ?? []).filter((other) => other !== one);
    this.keepWaiting(name, left);
    if (this.served.get(name) !== one) return;
    this.served.delete(name);
    if (left.length > 0) setTimeout(() => this.handOver(name), FREE_AFTER_MS).unref();
  }

  private handOver(name: string): void {
    const [next, ...others] = this.waiting.get(name) ?? [];
    if (!next || this.served.has(name)) return;
    this.keepWaiting(name, others);
    this.serve(name, next);
  }

  private serve(name: string, one: T): void {
    this.served.set(name, one);
    one.onServed?.();
  }

  private keepWaiting(name: string, ones: T[]): void {
    if (ones.length > 0) this.waiting.set(name, ones);
    else this.waiting.delete(name);
  }
}
