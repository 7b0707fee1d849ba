'use strict';

/** Beats from taps or from a MIDI clock, and what waits for the next one. */
class Tempo {
  /** @param {() => void} onBeat called on each beat */
  constructor(onBeat) {
    this.onBeat = onBeat;
    this.taps = [];
    this.ticks = [];
    this.waiting = undefined;
  }

  /** Beats a minute; undefined before the second tap. */
  get bpm() {
    return this.period && 60000 / this.period;
  }

  /** A tap by hand: the beat is now. Two seconds without one begin anew. */
  tap(now = performance.now()) {
    if (now - (this.taps.at(-1) ?? -Infinity) > 2000) this.taps = [];
    this.taps = [...this.taps, now].slice(-8);
    if (this.taps.length > 1) this.keep((now - this.taps[0]) / (this.taps.length - 1), now);
  }

  /** A tick of a MIDI clock, of which a beat has 24. */
  tick(now = performance.now()) {
    if (now - (this.ticks.at(-1) ?? -Infinity) > 500) this.ticks = [];
    this.ticks.push(now);
    const beats = (this.ticks.length - 1) / 24;
    if (beats < 1 || !Number.isInteger(beats)) return;
    // Over four beats, since each tick is a little early or late.
    this.keep((now - this.ticks[0]) / beats, now);
    if (beats === 4) this.ticks = this.ticks.slice(24);
  }

  /** A MIDI clock begins a bar. */
  restart() {
    this.ticks = [];
  }

  /** Does something on the next beat, in place of what waited for it; at once while there are no beats. */
  onNext(act) {
    if (!this.period) return act();
    this.waiting = act;
  }

  keep(period, beatAt) {
    this.period = period;
    clearTimeout(this.timer);
    // The beat that was expected for this moment may have come already.
    if (!(beatAt - this.lastBeat < period / 2)) this.beat();
    this.schedule(beatAt + period);
  }

  schedule(at) {
    this.timer = setTimeout(
      () => {
        this.beat();
        // By the clock, not by when the timer came: a late one must not shift all that follow.
        this.schedule(Math.max(at, performance.now() - this.period) + this.period);
      },
      Math.max(0, at - performance.now()),
    );
  }

  beat() {
    this.lastBeat = performance.now();
    const act = this.waiting;
    this.waiting = undefined;
    act?.();
    this.onBeat();
  }
}
