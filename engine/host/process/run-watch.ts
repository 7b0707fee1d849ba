import type { LocalNet, Net } from '../../net/net';
import { type Place, type PlacedNet, placeOf } from '../../net/pool/place';

/** Watches the runs of all nets of a process, to tell whether it makes progress. */
export class RunWatch {
  private ended = 0;
  private readonly underWay = new Set<{ beats: number }>();

  /** Wraps a net so that its runs are watched. */
  watch(net: LocalNet): LocalNet {
    return new WatchedNet(net, (run) => this.during(run));
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

  /** The number of runs that have ended since the process started. */
  get runs(): number {
    return this.ended;
  }

  /** Called at every heartbeat. @returns the age of the oldest run under way in heartbeats, which do not count while the process is suspended */
  beat(): number {
    for (const run of this.underWay) run.beats++;
    return Math.max(0, ...[...this.underWay].map(({ beats }) => beats));
  }
}

class WatchedNet implements LocalNet, PlacedNet {
  readonly inputs: Net['inputs'];
  readonly outputs: Net['outputs'];
  readonly place: Place;

  constructor(
    private readonly net: LocalNet,
    private readonly during: <T>(run: Promise<T>) => Promise<T>,
  ) {
    ({ inputs: this.inputs, outputs: this.outputs } = net);
    this.place = placeOf(net);
  }

  run(...args: Parameters<LocalNet['run']>): ReturnType<LocalNet['run']> {
    return this.during(this.net.run(...args));
  }

  runPixels(...args: Parameters<LocalNet['runPixels']>): ReturnType<LocalNet['runPixels']> {
    return this.during(this.net.runPixels(...args));
  }

  close(): Promise<void> {
    return this.net.close();
  }
}
