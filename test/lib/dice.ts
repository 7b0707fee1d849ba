/** Random numbers from a seed, so that a failure can be reproduced. */
export class Dice {
  constructor(private state: number) {}

  /** An integer from 0 to n - 1. */
  below(n: number): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * n);
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)];
  }
}
