'use strict';

/**
 * Shows the pictures of a sink as they arrive: over a WebSocket or, where WebSockets are blocked, as the multipart stream. A lost
 * connection is restored, with pauses growing up to five seconds.
 *
 * @param {string} address of the sink's page
 * @param {(jpeg: Blob, frame?: object, at?: number) => Promise<void>} onPicture draws it; the next one comes when it has settled. `at`: when it
 *   came to the sink, ms since 1970 by the server's clock
 * @param {(problem?: string) => void} onState called with the reason why there is no connection, or with nothing when there is one
 * @param {(news: object) => void} onNews called with the sink's other messages, such as `{ blackout, fade }`, and with `{ open: true }` before the first
 * @returns {() => void} stops it
 */
function watchPictures(address, onPicture, onState, onNews = () => undefined) {
  const stop = new AbortController();
  const QUIET_MS = 25000;
  let socketWorks = false;

  /** Calls `close` when nothing was received for a while: a connection can be dead without an event. */
  function listenFor(close) {
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(close, QUIET_MS);
    };
    heard();
    return { heard, end: () => clearTimeout(timer) };
  }

  function overSocket(onContact) {
    return new Promise((resolve) => {
      const number = newTry();
      const socket = new WebSocket(`${address.replace(/^http/, 'ws')}?details&times&socket=${number}`);
      let isOpen = false;
      socket.binaryType = 'arraybuffer';
      const close = () => socket.close();
      const silence = listenFor(close);
      const opening = setTimeout(close, OPENING_MS);
      stop.signal.addEventListener('abort', close);
      let frame;
      let at;
      let turn = Promise.resolve();
      socket.onopen = () => {
        clearTimeout(opening);
        isOpen = true;
        socketWorks = true;
        onNews({ open: true });
        onContact();
      };
      socket.onmessage = ({ data }) => {
        silence.heard();
        onContact();
        if (typeof data === 'string') {
          const news = JSON.parse(data);
          if ('frame' in news) ({ frame, at } = news);
          else onNews(news);
          return;
        }
        const [about, cameAt] = [frame, at];
        frame = undefined;
        const jpeg = new Blob([data], { type: 'image/jpeg' });
        turn = turn
          .then(() => onPicture(jpeg, about, cameAt))
          .catch(() => undefined)
          .then(() => {
            if (socket.readyState === WebSocket.OPEN) socket.send('');
          });
      };
      socket.onclose = () => {
        clearTimeout(opening);
        silence.end();
        stop.signal.removeEventListener('abort', close);
        resolve(isOpen ? {} : whyLost(address, number));
      };
    });
  }

  // An <img> would show the stream as well, but has no events for its end or a stall.
  async function overStream(onContact) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    stop.signal.addEventListener('abort', abort);
    const silence = listenFor(abort);
    try {
      const response = await fetch(`${address}.mjpg`, { signal: attempt.signal, cache: 'no-store' });
      if (!response.ok) throw new Error(text('answered', { status: response.status }));
      const reader = response.body.getReader();
      let pending = new Uint8Array(0);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        silence.heard();
        onContact();
        const { newest, rest } = takeNewest(joined(pending, value));
        pending = rest;
        if (newest) await onPicture(new Blob([newest], { type: 'image/jpeg' })).catch(() => undefined);
      }
    } finally {
      silence.end();
      stop.signal.removeEventListener('abort', abort);
      attempt.abort();
    }
  }

  async function run() {
    for (let failures = 0; !stop.signal.aborted; failures++) {
      const onContact = () => {
        failures = 0;
        onState();
      };
      const way = socketWorks || failures % 2 === 0 ? overSocket : overStream;
      let problem = text('lost');
      try {
        const { problem: onTheWay, advice } = (await way(onContact)) ?? {};
        if (onTheWay) problem = `${onTheWay}. ${advice}`;
      } catch (error) {
        problem = error.message;
      }
      if (stop.signal.aborted) return;
      onState(problem);
      await new Promise((resolve) => setTimeout(resolve, retryDelay(failures)));
    }
  }

  run();
  return () => stop.abort();
}

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** The last complete picture in the bytes of a multipart stream, and the bytes after it. */
function takeNewest(bytes) {
  const latin1 = new TextDecoder('latin1');
  let rest = bytes;
  let newest;
  for (;;) {
    const length = /Content-Length: (\d+)\r\n\r\n/i.exec(latin1.decode(rest.subarray(0, 400)));
    const start = length ? length.index + length[0].length : 0;
    const end = start + Number(length?.[1]);
    if (!length || rest.length < end) return { newest, rest };
    newest = rest.slice(start, end);
    rest = rest.subarray(end);
  }
}

/** Draws pictures on a canvas; each dissolves into the next within `fadeMs`. */
class Painter {
  /** @param {(picture: ImageBitmap, frame?: object) => Promise<ImageBitmap>} prepare turns a picture into the one that is drawn */
  constructor(canvas, fadeMs = 0, prepare = async (picture) => picture) {
    this.prepare = prepare;
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.fadeMs = fadeMs;
    this.step = 0;
    /** The picture that is being faded in. */
    this.coming = undefined;
  }

  /** Draws a picture; resolves when it is drawn, or begins to fade in. */
  async show(jpeg, frame) {
    const picture = await this.prepare(await createImageBitmap(jpeg), frame);
    const { canvas, context } = this;
    cancelAnimationFrame(this.step);
    // Closed at once, so that a tab that is open for weeks does not depend on garbage collection.
    this.coming?.close();
    this.coming = undefined;
    const fits = canvas.width === picture.width && canvas.height === picture.height;
    if (!fits) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    if (this.fadeMs > 0 && fits && !document.hidden) return this.dissolve(picture);
    context.drawImage(picture, 0, 0);
    picture.close();
  }

  dissolve(picture) {
    const { canvas, context, fadeMs } = this;
    this.coming = picture;
    this.before ??= new OffscreenCanvas(1, 1);
    const { before } = this;
    if (before.width !== canvas.width || before.height !== canvas.height)
      Object.assign(before, { width: canvas.width, height: canvas.height });
    before.getContext('2d').drawImage(canvas, 0, 0);
    const began = performance.now();
    const draw = () => {
      const share = Math.min(1, (performance.now() - began) / fadeMs);
      context.globalAlpha = 1;
      context.drawImage(before, 0, 0);
      context.globalAlpha = share;
      context.drawImage(picture, 0, 0);
      context.globalAlpha = 1;
      if (share < 1) {
        this.step = requestAnimationFrame(draw);
      } else {
        picture.close();
        this.coming = undefined;
      }
    };
    draw();
  }
}

/** Keeps the screen on while the page is visible, where the browser supports it (over HTTPS). */
function keepScreenOn() {
  const ask = () => {
    if (document.visibilityState === 'visible') navigator.wakeLock?.request('screen').catch(() => undefined);
  };
  document.addEventListener('visibilitychange', ask);
  ask();
}
