'use strict';

/** A server that is just starting may take a connection, and then leave it at that. */
const OPENING_MS = 4000;

/** How long to wait before the next try, ms: ever longer, up to five seconds, and not all visitors at the same moment. */
const retryDelay = (failures) => Math.min(250 * 2 ** failures, 5000) * (0.8 + 0.4 * Math.random());

/** A number for a try to open a WebSocket, by which the server tells later how it fared. */
const newTry = () => crypto.getRandomValues(new Uint32Array(2)).join('_');

/** What a page says while it has no connection. */
const reconnecting = (problem = text('lost'), advice = '') => text('reconnecting', { problem: advice ? `${problem}. ${advice}` : problem });

/**
 * Why a try never opened, which browsers do not say.
 *
 * @param {string} address of the page
 * @param {string} number of the try
 * @returns {Promise<{ problem?: string, advice?: string }>} nothing when the server is away, or all is well on the way
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

/** A page's connection to its node: a WebSocket that comes back by itself, over which messages go as JSON. */
class Link {
  /**
   * @param {string} address of the page
   * @param {object} events all but `onNews` and `onLost` may be left out:
   *   - `onNews(news)`, and `onPicture(blob)` for what is not JSON
   *   - `onOpen()`, `onClose(code)`, which may `end()` it
   *   - `onLost(problem?, advice?)`: there is no connection; told again when it turns out why
   *   - `query()` before each try: resolves to what its address needs besides, such as `ticket=…&`; rejects when there is no connection;
   *     resolves to undefined when no try is to be made until `retry()`
   */
  constructor(address, events) {
    this.address = address;
    this.events = events;
    this.failures = 0;
    /** Why no connection opens, once that is known. */
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

  /** Gives the connection up, for a new one. */
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
    // A server that has just started knows nothing of the try, so one is not enough.
    if (this.ended || this.isOpen || this.failures < 2) return;
    this.reason = reason;
    this.tellLost();
  }

  tellLost() {
    this.events.onLost(this.reason.problem, this.reason.advice);
  }
}
