'use strict';

/**
 * Sends pictures to a camera page's source: one is on its way at a time, and the next one is taken when that one has
 * gone into the flow, so it is always a new one. Comes back by itself when the connection is lost.
 */
class Uplink {
  /**
   * @param {string} address of the camera page
   * @param {object} events `onState(problem?, advice?)`, `onFormat(format)`, `onReady()` when the next picture may go, `onTakenOver()`
   */
  constructor(address, events) {
    this.page = address;
    this.address = address.replace(/^http/, 'ws');
    this.events = events;
    this.running = false;
    this.failures = 0;
    /** Why no connection opens, once that is known. */
    this.reason = {};
    this.sentAt = undefined;
    /** Server's clock minus this one's, ms; as good as the quickest answer so far. */
    this.clockOffset = 0;
    this.quickest = Infinity;
    this.connect();
  }

  get isReady() {
    return this.running && this.sentAt === undefined && this.socket.readyState === WebSocket.OPEN;
  }

  /** A time of `performance.now()` on the server's clock, ms since 1970. */
  serverTime(at) {
    return performance.timeOrigin + at + this.clockOffset;
  }

  send(jpeg, timestamp) {
    this.sentAt = performance.now();
    this.socket.send(JSON.stringify({ timestamp }));
    this.socket.send(jpeg);
    this.patience = setTimeout(() => this.socket.close(), 10000);
  }

  end() {
    this.ended = true;
    clearTimeout(this.retry);
    clearTimeout(this.patience);
    this.socket.close();
  }

  connect() {
    this.running = false;
    this.sentAt = undefined;
    const number = newTry();
    const socket = new WebSocket(`${this.address}?socket=${number}`);
    let isOpen = false;
    socket.onopen = () => (isOpen = true);
    this.socket = socket;
    // A server that is just starting may take a connection, and then leave it at that.
    this.patience = setTimeout(() => this.socket.close(), 4000);
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = ({ code }) => {
      clearTimeout(this.patience);
      this.running = false;
      if (this.ended) return;
      if (code === 4001) {
        this.ended = true;
        return this.events.onTakenOver();
      }
      if (!isOpen) this.explain(number);
      this.tellProblem();
      const wait = Math.min(250 * 2 ** this.failures++, 5000) * (0.8 + 0.4 * Math.random());
      this.retry = setTimeout(() => this.connect(), wait);
    };
  }

  tellProblem() {
    const { problem = text('noConnection'), advice } = this.reason;
    this.events.onState(problem, advice);
  }

  async explain(number) {
    const reason = await whyLost(this.page, number);
    // A server that has just started knows nothing of the try, so one is not enough.
    if (this.ended || this.running || this.failures < 2) return;
    this.reason = reason;
    this.tellProblem();
  }

  hear(news) {
    this.failures = 0;
    this.reason = {};
    if ('running' in news) {
      clearTimeout(this.patience);
      this.running = news.running;
      if (this.quickest === Infinity) this.clockOffset = news.now - performance.timeOrigin - performance.now();
      this.events.onFormat(news);
      this.events.onState(news.running ? undefined : text('stopped'));
    } else if (this.sentAt !== undefined) {
      clearTimeout(this.patience);
      const now = performance.now();
      const took = now - this.sentAt;
      // Clocks drift, and are set anew: what was measured long ago counts less and less.
      this.quickest *= 1.01;
      if (took < this.quickest) {
        this.quickest = took;
        this.clockOffset = news.now - performance.timeOrigin - (this.sentAt + took / 2);
      }
      this.sentAt = undefined;
    }
    if (this.isReady) this.events.onReady();
  }
}

/** Takes pictures from a playing video: cropped to fill a size, mirrored or not, as JPEG. */
class Grabber {
  /**
   * @param {HTMLVideoElement} video
   * @param {Worker} encoder runs camera-encoder.js
   * @param {() => void} onNew told when the video shows a new picture, where the browser says so
   */
  constructor(video, encoder, onNew) {
    this.video = video;
    this.encoder = encoder;
    this.onNew = onNew;
    /** When the picture that the video shows was taken, by `performance.now()`; unknown for some sources. */
    this.takenAt = undefined;
    this.isNew = true;
    if (video.requestVideoFrameCallback) this.watch();
  }

  watch() {
    this.video.requestVideoFrameCallback((now, { captureTime }) => {
      this.takenAt = captureTime > now - 2000 && captureTime <= now ? captureTime : now;
      this.isNew = true;
      this.watch();
      this.onNew();
    });
  }

  /** @returns {Promise<{ jpeg: ArrayBuffer, takenAt: number } | undefined>} nothing when the last picture is still the newest */
  async grab(width, height, mirror) {
    const { video, encoder } = this;
    const counts = video.requestVideoFrameCallback && !document.hidden;
    if (video.readyState < video.HAVE_CURRENT_DATA || (counts && !this.isNew)) return undefined;
    this.isNew = false;
    const takenAt = counts && this.takenAt !== undefined ? this.takenAt : performance.now();
    const picture = window.VideoFrame ? new VideoFrame(video) : await createImageBitmap(video);
    const jpeg = await new Promise((resolve) => {
      encoder.onmessage = ({ data }) => resolve(data);
      encoder.postMessage({ picture, width, height, mirror }, [picture]);
    });
    return jpeg && { jpeg, takenAt };
  }
}

/** A worker that runs the given text. */
function startWorker(code) {
  return new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
}

/** Calls back `perSecond` times a second, also while the page is out of sight, where a page's own timers sleep. */
function startTicks(perSecond, onTick) {
  startWorker(`setInterval(() => postMessage(0), ${1000 / perSecond})`).onmessage = onTick;
}

/** What keeps a browser from giving out its camera, in words for the visitor. */
function explain(error) {
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return [text('notAllowed'), text('notAllowedHelp')];
    case 'NotFoundError':
    case 'OverconstrainedError':
      return [text('noCamera'), text('noCameraHelp')];
    case 'NotReadableError':
    case 'AbortError':
      return [text('busy'), text('busyHelp')];
    default:
      return [text('unusable'), error.message];
  }
}

/** Why this page cannot use a camera at all; undefined when it can. */
function obstacle() {
  if (navigator.mediaDevices && window.OffscreenCanvas) return undefined;
  if (window.isSecureContext) return [text('tooOld'), text('tooOldHelp')];
  return [text('needsHttps'), text('needsHttpsHelp', { origin: location.origin })];
}
