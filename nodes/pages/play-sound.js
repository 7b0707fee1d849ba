'use strict';

/** Readings per second. */
const SOUND_RATE = 25;
/** A beat is this many times louder in the bass than the last second, and comes this long after the previous one, ms. */
const BEAT = { times: 1.35, least: 0.08, apart: 230 };

/** Measures the sound of a microphone: level, bass and treble from 0 to 1, and beats. */
class SoundMeter {
  /**
   * @param {(sound: { level: number, bass: number, treble: number, beat: boolean }) => void} onSound
   * @param {() => void} onEnd called when the microphone is disconnected
   */
  constructor(onSound, onEnd) {
    this.onSound = onSound;
    this.onEnd = onEnd;
    /** The bass levels of the last second. */
    this.past = [];
    this.lastBeat = 0;
  }

  /** Opens the microphone. Rejects with the browser's error when there is none, or it was not allowed. */
  async start() {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    this.stream.getAudioTracks()[0].onended = () => this.stop();
    this.context = new AudioContext();
    await this.context.resume();
    this.analyser = new AnalyserNode(this.context, { fftSize: 2048, smoothingTimeConstant: 0.5, minDecibels: -85, maxDecibels: -20 });
    this.context.createMediaStreamSource(this.stream).connect(this.analyser);
    this.bins = new Uint8Array(this.analyser.frequencyBinCount);
    this.wave = new Float32Array(this.analyser.fftSize);
    this.timer = setInterval(() => this.read(), 1000 / SOUND_RATE);
  }

  stop() {
    clearInterval(this.timer);
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.context?.close();
    this.onEnd();
  }

  read(now = performance.now()) {
    this.analyser.getByteFrequencyData(this.bins);
    this.analyser.getFloatTimeDomainData(this.wave);
    const loudness = Math.sqrt(this.wave.reduce((sum, value) => sum + value * value, 0) / this.wave.length);
    const level = share(1 + Math.log10(Math.max(loudness, 1e-5) / 0.3) / 2);
    const [bass, treble] = [this.band(30, 180), this.band(3000, 12000)];
    const mean = this.past.reduce((sum, value) => sum + value, 0) / Math.max(1, this.past.length);
    const beat = bass > BEAT.least && bass > mean * BEAT.times && now - this.lastBeat > BEAT.apart;
    if (beat) this.lastBeat = now;
    this.past = [...this.past, bass].slice(-SOUND_RATE);
    this.onSound({ level, bass, treble, beat });
  }

  /** The mean level between two frequencies, Hz. */
  band(from, to) {
    const width = this.context.sampleRate / 2 / this.bins.length;
    const part = this.bins.subarray(Math.max(1, Math.floor(from / width)), Math.ceil(to / width) + 1);
    return share(part.reduce((sum, value) => sum + value, 0) / part.length / 255);
  }
}

function share(value) {
  return Math.round(100 * Math.min(1, Math.max(0, value))) / 100;
}
