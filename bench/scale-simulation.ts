/** How many streams a number of servers can carry: an event-by-event simulation of flows that share them. */

/** The time of one run, ms: fixed + rows · perRow. */
export interface NetTimes {
  fixedMs: number;
  perRowMs: number;
}

export interface Installation {
  /** Flows with one stream each. */
  flows: number;
  /** Frames per second that each of them offers. Infinity: as many as it gets through. */
  offeredFps: number;
  /** Rows of a frame's run: denoising steps, twice as many with full guidance. */
  rows: number;
  net: NetTimes;
  /** The most rows of a run on a server. */
  maxBatch: number;
  /** Copies of the net, on all servers together. */
  instances: number;
  /** Time from a flow to a server and back, ms, without the run itself. */
  roundTripMs: number;
  /** Work of the flow's own machine before and after the run, ms per frame. Frames overlap there. */
  beforeMs: number;
  afterMs: number;
}

export interface Outcome {
  /** Frames per second of one flow, mean over all. */
  fps: number;
  /** Time from a frame's arrival to its picture, all steps included, ms. */
  latencyMs: number;
  latencyP95Ms: number;
  /** Mean rows of a run on the servers. */
  batch: number;
  /** Share of the time that the copies spend computing, 0..1. */
  busy: number;
}

interface Flow {
  /** When the next frame is ready to be denoised, ms. */
  ready: number;
}

/**
 * Every flow has one run under way at a time, as the engine does, with the rows of all its frames in flight. An idle copy
 * of the net takes as many waiting runs as fit, oldest first.
 *
 * @param seconds of simulated time that count, after a quarter as much that does not
 */
export function simulate(installation: Installation, seconds = 20): Outcome {
  const { flows, offeredFps, rows, net, instances, roundTripMs, beforeMs, afterMs } = installation;
  const most = Math.max(1, Math.floor(installation.maxBatch / rows));
  const [from, until] = [250 * seconds, 1250 * seconds];
  const period = offeredFps === Infinity ? 0 : 1000 / offeredFps;
  const events = new Heap();
  const waiting: { flow: Flow; asked: number }[] = [];
  let first = 0;
  let free = instances;
  const [ticks, batches]: number[][] = [[], []];
  let computedMs = 0;
  const begin = (now: number): void => {
    while (free > 0 && first < waiting.length) {
      const taken = waiting.slice(first, first + most);
      first += taken.length;
      if (first > 4096) first -= waiting.splice(0, first).length;
      free--;
      const ms = net.fixedMs + taken.length * rows * net.perRowMs;
      if (now >= from) {
        batches.push(taken.length * rows);
        computedMs += ms;
      }
      events.push(now + ms, () => {
        free++;
        for (const { flow, asked } of taken) answer(flow, asked, now + ms + roundTripMs / 2);
        begin(now + ms);
      });
    }
  };
  const answer = (flow: Flow, asked: number, at: number): void => {
    if (at >= from && at < until) ticks.push(at - asked);
    // Newest frame wins: frames that came meanwhile have been replaced by the last one.
    flow.ready = period === 0 ? at : Math.max(at, flow.ready + period);
    events.push(flow.ready, () => ask(flow, flow.ready));
  };
  const ask = (flow: Flow, now: number): void => {
    events.push(now + roundTripMs / 2, () => {
      waiting.push({ flow, asked: now });
      begin(now + roundTripMs / 2);
    });
  };
  for (let k = 0; k < flows; k++) {
    // Flows do not start all at once, since people start them.
    const flow = { ready: ((k * 0.618034) % 1) * Math.max(period, net.fixedMs + rows * net.perRowMs) };
    events.push(flow.ready, () => ask(flow, flow.ready));
  }
  events.run(until);
  ticks.sort((a, b) => a - b);
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const fps = ticks.length / seconds / flows;
  // A frame stays for as many runs as it has steps; the time between two runs is that of a frame.
  const latency = (tick: number): number => beforeMs + afterMs + (rows - 1) * Math.max(tick, 1000 / fps) + tick;
  return {
    fps,
    latencyMs: latency(mean(ticks)),
    latencyP95Ms: latency(ticks[Math.floor(0.95 * ticks.length)] ?? Infinity),
    batch: mean(batches),
    busy: Math.min(1, computedMs / (1000 * seconds * instances)),
  };
}

/** The fewest copies of the net with which every flow has at least this share of the frames that it offers. */
export function instancesFor(installation: Omit<Installation, 'instances'>, share = 0.95, seconds = 5): number {
  const enough = (instances: number): boolean => simulate({ ...installation, instances }, seconds).fps >= share * installation.offeredFps;
  let high = 1;
  while (high < 2 ** 16 && !enough(high)) high *= 2;
  let low = high >> 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (enough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Fits the times to measured runs by least squares. */
export function fitTimes(measured: { rows: number; ms: number }[]): NetTimes {
  const mean = (value: (one: { rows: number; ms: number }) => number): number =>
    measured.reduce((sum, one) => sum + value(one), 0) / measured.length;
  const [rows, ms] = [mean((one) => one.rows), mean((one) => one.ms)];
  const perRowMs = mean((one) => (one.rows - rows) * (one.ms - ms)) / mean((one) => (one.rows - rows) ** 2);
  return { perRowMs, fixedMs: Math.max(0, ms - perRowMs * rows) };
}

/** Events in the order of their time. */
class Heap {
  private readonly items: { at: number; work: () => void }[] = [];

  push(at: number, work: () => void): void {
    const { items } = this;
    let k = items.length;
    while (k > 0) {
      const parent = (k - 1) >> 1;
      if (items[parent].at <= at) break;
      items[k] = items[parent];
      k = parent;
    }
    items[k] = { at, work };
  }

  run(until: number): void {
    for (let next = this.pop(); next && next.at <= until; next = this.pop()) next.work();
  }

  private pop(): { at: number; work: () => void } | undefined {
    const { items } = this;
    const [top] = items;
    const last = items.pop();
    if (!last || items.length === 0) return top;
    let k = 0;
    while (2 * k + 1 < items.length) {
      let child = 2 * k + 1;
      if (child + 1 < items.length && items[child + 1].at < items[child].at) child++;
      if (items[child].at >= last.at) break;
      items[k] = items[child];
      k = child;
    }
    items[k] = last;
    return top;
  }
}
