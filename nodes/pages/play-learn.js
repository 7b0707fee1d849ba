'use strict';

/**
 * The assignment of keys, and of knobs and pads of MIDI devices, to controls. It is learned by choosing a control and then moving a
 * knob or pressing a key, and kept in this browser.
 */
class Learn {
  /**
   * @param {string} keptAs the key of the browser's storage
   * @param {(target: string, share: number, isPress: boolean) => void} play moves a control to a share (0 to 1) of its range, or presses it
   * @param {() => void} onChange called when something was learned
   */
  constructor(keptAs, play, onChange) {
    this.keptAs = keptAs;
    this.play = play;
    this.onChange = onChange;
    this.chosen = undefined;
    /** The last values of MIDI controllers, to tell a press from a hold. */
    this.values = new Map();
    this.bound = new Map(Object.entries(recall(keptAs) ?? {}));
  }

  /** The short name of a control's input: "CC 21", "C2", "Q". */
  nameOf(target) {
    const input = [...this.bound].find(([, to]) => to === target)?.[0];
    if (!input) return '';
    const [kind, channel, number] = input.split(' ');
    if (kind === 'key') return channel.replace(/^(Key|Digit)/, '');
    return kind === 'cc' ? `CC ${number}` : `${'C C♯ D D♯ E F F♯ G G♯ A A♯ B'.split(' ')[number % 12]}${Math.floor(number / 12) - 1}`;
  }

  /** A key was pressed. @returns {boolean} whether it belongs to a control */
  key(code) {
    return this.hear(`key ${code}`, 1, true);
  }

  /** Handles a message of a MIDI device; only notes and controllers are used. */
  midi([status, number, value]) {
    const channel = status & 15;
    if (status >> 4 === 9 && value > 0) this.hear(`note ${channel} ${number}`, value / 127, true);
    if (status >> 4 !== 11) return;
    const input = `cc ${channel} ${number}`;
    const isPress = value >= 64 && (this.values.get(input) ?? 0) < 64;
    this.values.set(input, value);
    this.hear(input, value / 127, isPress);
  }

  forget(target) {
    for (const [input, to] of this.bound) if (to === target) this.bound.delete(input);
    this.keep();
  }

  hear(input, share, isPress) {
    if (this.chosen !== undefined) {
      // A control has one input, and an input one control.
      for (const [other, to] of this.bound) if (to === this.chosen) this.bound.delete(other);
      this.bound.set(input, this.chosen);
      this.chosen = undefined;
      this.keep();
      return true;
    }
    const target = this.bound.get(input);
    if (target === undefined) return false;
    this.play(target, share, isPress);
    return true;
  }

  keep() {
    keep(this.keptAs, Object.fromEntries(this.bound));
    this.onChange();
  }
}

/**
 * Listens to all MIDI devices, including those that are connected later.
 *
 * @param {(data: Uint8Array) => void} onMessage
 * @returns {Promise<string | undefined>} the reason why there are none
 */
async function listenToMidi(onMessage) {
  if (!navigator.requestMIDIAccess) return text(window.isSecureContext ? 'noMidi' : 'midiNeedsHttps');
  try {
    const access = await navigator.requestMIDIAccess();
    const listen = () => {
      for (const input of access.inputs.values()) input.onmidimessage = ({ data }) => onMessage(data);
    };
    access.onstatechange = listen;
    listen();
    return undefined;
  } catch (error) {
    return text('midiRefused', { reason: error.message });
  }
}
