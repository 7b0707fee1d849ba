'use strict';

/** The longest wait for a connection, ms: a server that is just starting may accept one and then not answer. */
const OPENING_MS = 4000;

/** The pause before the next try, ms: growing up to five seconds, with jitter so that visitors do not all come at once. */
const retryDelay = (failures) => Math.min(250 * 2 ** failures, 5000) * (0.8 + 0.4 * Math.random());

/** An id for a try to open a WebSocket, with which the server can be asked why it failed. */
const newTry = () => crypto.getRandomValues(new Uint32Array(2)).join('_');

/** The text while there is no connection. */
const reconnecting = (problem = text('lost'), advice = '') => text('reconnecting', { problem: advice ? `${problem}. ${advice}` : problem });

/**
 * Asks the server why a try failed, which browsers do not tell.
 *
 * @param {string} address of the page
 * @param {string} number the try's id
 * @returns {Promise<{ problem?: string, advice?: string }>} nothing when the server cannot be reached, or has no explanation
 */
async function whyLost(address, number) {
  try {
    const response = await fetch(`${address}?why=${number}&lang=${document.documentElement.lang}`, {
      cache: 'no-store',
      signal: AbortSignal.timeout(4000),
    });
    return response.ok ? await response.json() : {};
  } catch {
    return {};
  }
}

/** A page's connection to its node: a WebSocket with JSON messages that reconnects by itself. */
class Link {
  /**
   * @param {string} address of the page
   * @param {object} events all but `onNews` and `onLost` may be left out:
   *   - `onNews(news)`, and `onPicture(blob)` for what is not JSON
   *   - `onOpen()`, `onClose(code)`, which may `end()` it
   *   - `onLost(problem?, advice?)`: there is no connection; called again when the reason is known
   *   - `query()` before each try: resolves to what its address needs besides, such as `ticket=…&`; rejects when there is no connection;
   *     resolves to undefined when no try is to be made until `retry()`
   */
  constructor(address, events) {
    this.address = address;
    this.events = events;
    this.failures = 0;
    /** Why there is no connection, once that is known. */
    this.reason = {};
    this.connect();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** @returns {boolean} whether there was a connection to send it over */
  send(message) {
    if (this.isOpen) this.socket.send(message instanceof ArrayBuffer ? message : JSON.stringify(message));
    return this.isOpen;
  }

  /** Drops the connection and makes a new one. */
  drop() {
    this.socket.close();
  }

  /** Tries again at once. */
  retry() {
    clearTimeout(this.timer);
    this.connect();
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  async connect() {
    let query = '';
    if (this.events.query) {
      try {
        query = await this.events.query();
      } catch {
        return this.again();
      }
      if (query === undefined || this.ended) return;
    }
    const number = newTry();
    const socket = new WebSocket(`${this.address.replace(/^http/, 'ws')}?${query}socket=${number}`);
    this.socket = socket;
    let wasOpen = false;
    const opening = setTimeout(() => socket.close(), OPENING_MS);
    socket.onopen = () => {
      clearTimeout(opening);
      wasOpen = true;
      this.failures = 0;
      this.reason = {};
      this.events.onOpen?.();
    };
    socket.onmessage = ({ data }) => (typeof data === 'string' ? this.events.onNews(JSON.parse(data)) : this.events.onPicture?.(data));
    socket.onclose = ({ code }) => {
      clearTimeout(opening);
      if (this.ended) return;
      this.events.onClose?.(code);
      if (this.ended) return;
      if (!wasOpen) this.explain(number);
      this.again();
    };
  }

  again() {
    this.tellLost();
    this.timer = setTimeout(() => this.connect(), retryDelay(this.failures++));
  }

  async explain(number) {
    const reason = await whyLost(this.address, number);
    // A server that has just started does not know the try, so it is asked more than once.
    if (this.ended || this.isOpen || this.failures < 2) return;
    this.reason = reason;
    this.tellLost();
  }

  tellLost() {
    this.events.onLost(this.reason.problem, this.reason.advice);
  }
}
