'use strict';

/** Beats from taps or from a MIDI clock, and an action that waits for the next beat. */
class Tempo {
  /** @param {() => void} onBeat called on each beat */
  constructor(onBeat) {
    this.onBeat = onBeat;
    this.taps = [];
    this.ticks = [];
    this.waiting = undefined;
  }

  /** Beats per minute; undefined before the second tap. */
  get bpm() {
    return this.period && 60000 / this.period;
  }

  /** Taps a beat. After two seconds without a tap, the tempo is measured again. */
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
    // The tempo is measured over four beats, since each tick is a little early or late.
    this.keep((now - this.ticks[0]) / beats, now);
    if (beats === 4) this.ticks = this.ticks.slice(24);
  }

  /** A MIDI clock begins a bar. */
  restart() {
    this.ticks = [];
  }

  /** Does something on the next beat, instead of an earlier action that waits; at once while there are no beats. */
  onNext(act) {
    if (!this.period) return act();
    this.waiting = act;
  }

  keep(period, beatAt) {
    this.period = period;
    clearTimeout(this.timer);
    // The beat that was expected now may have come already.
    if (!(beatAt - this.lastBeat < period / 2)) this.beat();
    this.schedule(beatAt + period);
  }

  schedule(at) {
    this.timer = setTimeout(
      () => {
        this.beat();
        // Counted from the clock and not from the timer, so that a late timer does not shift later beats.
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
