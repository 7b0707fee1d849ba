import { EngineError } from '../../../engine/errors';
import { checkWebName } from './name';

/** A name is kept for its node for this long, ms, so that a node that is deployed again gets it back. */
const FREE_AFTER_MS = 1000;

/** Something that is served under a name. */
export interface Named {
  /** Called when it is served under its name, at once or when another one releases the name. */
  onServed?: () => void;
}

/** The owners of names, and those who wait for a name that is taken. */
export class WebNames<T extends Named> {
  private readonly served = new Map<string, T>();
  private readonly waiting = new Map<string, T[]>();

  /** @param what the named thing and its owner, for errors: "camera page", "a source with a camera page" */
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
   * Takes a name. If another one has it, this throws, and still waits for the name until {@link remove}.
   *
   * @throws EBADPARAM when the name is not valid in an address, or another one has it
   */
  add(name: string, one: T): void {
    checkWebName(name, this.owner);
    if (this.served.has(name)) {
      this.waiting.set(name, [...(this.waiting.get(name) ?? []), one]);
      throw new EngineError('EBADPARAM', `another ${this.what} is called "${name}": choose a different name`);
    }
    this.serve(name, one);
  }

  /** Releases a name; the one that has waited longest gets it. */
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
