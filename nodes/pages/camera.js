'use strict';

/** The close code for a visitor who was replaced by another one. */
const TAKEN_OVER = 4001;

/**
 * Sends pictures to a camera page's source, one at a time: the next one is taken when the last one has gone into the flow, so
 * that it is always new.
 */
class Uplink {
  /**
   * @param {string} address of the camera page
   * @param {object} events `onState(problem?, advice?)`, `onFormat(format)`, `onReady()` when the next picture may go, `onTakenOver()`
   */
  constructor(address, events) {
    this.events = events;
    this.running = false;
    this.sentAt = undefined;
    /** The server's clock minus this one's, ms, measured with the quickest answer so far. */
    this.clockOffset = 0;
    this.quickest = Infinity;
    this.link = new Link(address, {
      onNews: (news) => this.hear(news),
      onClose: (code) => this.onClose(code),
      onLost: (problem = text('noConnection'), advice = undefined) => events.onState(problem, advice),
    });
  }

  get isReady() {
    return this.running && this.sentAt === undefined && this.link.isOpen;
  }

  /** A time of `performance.now()` on the server's clock, ms since 1970. */
  serverTime(at) {
    return performance.timeOrigin + at + this.clockOffset;
  }

  send(jpeg, timestamp) {
    this.sentAt = performance.now();
    this.link.send({ timestamp });
    this.link.send(jpeg);
    this.patience = setTimeout(() => this.link.drop(), 10000);
  }

  end() {
    clearTimeout(this.patience);
    this.link.end();
  }

  onClose(code) {
    clearTimeout(this.patience);
    this.running = false;
    this.sentAt = undefined;
    if (code !== TAKEN_OVER) return;
    this.link.end();
    this.events.onTakenOver();
  }

  hear(news) {
    if ('running' in news) {
      this.running = news.running;
      if (this.quickest === Infinity) this.clockOffset = news.now - performance.timeOrigin - performance.now();
      this.events.onFormat(news);
      this.events.onState(news.running ? undefined : text('stopped'));
    } else if (this.sentAt !== undefined) {
      clearTimeout(this.patience);
      const now = performance.now();
      const took = now - this.sentAt;
      // Clocks drift and may be set, so older measurements count less and less.
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

/** Grabs pictures from a playing video, cropped to fill a size, mirrored or not, as JPEG. */
class Grabber {
  /**
   * @param {HTMLVideoElement} video
   * @param {Worker} encoder runs camera-encoder.js
   * @param {() => void} onNew called when the video shows a new picture, where the browser supports that
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

  /** @returns {Promise<{ jpeg: ArrayBuffer, takenAt: number } | undefined>} undefined when there is no new picture */
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

/** Calls back `perSecond` times a second, even while the page is hidden, when a page's own timers are throttled. */
function startTicks(perSecond, onTick) {
  startWorker(`setInterval(() => postMessage(0), ${1000 / perSecond})`).onmessage = onTick;
}

/** Why the browser does not provide a camera, in words for the visitor. */
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
