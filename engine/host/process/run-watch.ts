import type { Net } from '../../net/net';

/** Sees from the runs of all nets of a process whether its work goes on. */
export class RunWatch {
  private ended = 0;
  private readonly underWay = new Set<{ beats: number }>();

  /** The same net, watched from now on. */
  watch<N extends Net>(net: N): N {
    const run = net.run.bind(net);
    const runPixels = net.runPixels?.bind(net);
    return Object.assign(net, {
      run: (feeds: Parameters<typeof run>[0]) => this.during(run(feeds)),
      ...(runPixels && { runPixels: (...args: Parameters<typeof runPixels>) => this.during(runPixels(...args)) }),
    });
  }

  private async during<T>(run: Promise<T>): Promise<T> {
    const current = { beats: 0 };
    this.underWay.add(current);
    try {
      return await run;
    } finally {
      this.underWay.delete(current);
      this.ended++;
    }
  }

  /** Runs that have ended since the process began. */
  get runs(): number {
    return this.ended;
  }

  /** To be called at every heartbeat. @returns how many heartbeats the oldest run under way has seen: a process that was suspended has none meanwhile */
  beat(): number {
    for (const run of this.underWay) run.beats++;
    return Math.max(0, ...[...this.underWay].map(({ beats }) => beats));
  }
}
