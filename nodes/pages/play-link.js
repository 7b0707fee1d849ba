'use strict';

/**
 * The connection of a performance page: logs in where the page asks for it, sends orders, and hears what changes. Comes back
 * by itself.
 */
class PlayLink {
  /**
   * @param {object} page `{ name, players, admin, node }`: as the server says it; `admin` and `node` are the roots of editor and pages
   * @param {object} events `onNews(news)`, `onState(problem?)` with why there is no connection, `onOpen()`, `onLogin(why?)` when a login is needed
   */
  constructor(page, events) {
    this.page = page;
    this.events = events;
    this.address = location.origin + location.pathname.replace(/\/+$/, '');
    this.failures = 0;
    this.count = 0;
    this.connect();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Sends an order. @returns {number} its number, which the server says again when it is obeyed; 0 when nothing was sent */
  order(order) {
    if (!this.isOpen) return 0;
    this.socket.send(JSON.stringify({ n: ++this.count, ...order }));
    return this.count;
  }

  /** The editor's address, beside that of this page; a proxy may have put something before both. */
  get admin() {
    const path = location.pathname.replace(/\/+$/, '');
    const own = `${this.page.node}/streamdiffusion/${this.page.name}/play`;
    const before = path.endsWith(own) ? path.slice(0, -own.length) : '';
    return location.origin + before + this.page.admin;
  }

  /** Logs in as the editor does. @returns {Promise<string | undefined>} what went wrong */
  async logIn(username, password) {
    const body = new URLSearchParams({
      client_id: 'node-red-editor',
      grant_type: 'password',
      scope: 'streamdiffusion.write',
      username,
      password,
    });
    try {
      const response = await fetch(`${this.admin}/auth/token`, { method: 'POST', body });
      if (!response.ok) return text(response.status === 429 ? 'tooOften' : 'refused');
      sessionStorage.setItem(`streamdiffusion token`, (await response.json()).access_token);
    } catch (error) {
      return error.message;
    }
    this.retry();
    return undefined;
  }

  retry() {
    clearTimeout(this.timer);
    this.connect();
  }

  async connect() {
    let query = '';
    if (this.page.players === 'login') {
      const ticket = await this.ticket().catch(() => undefined);
      if (ticket === 'refused') return this.events.onLogin(await this.wayToLogIn());
      if (ticket === undefined) return this.again(text('lost'));
      query = `ticket=${encodeURIComponent(ticket)}&`;
    }
    const number = newTry();
    const socket = new WebSocket(`${this.address.replace(/^http/, 'ws')}?${query}socket=${number}`);
    this.socket = socket;
    let wasOpen = false;
    const opening = setTimeout(() => socket.close(), 4000);
    socket.onopen = () => {
      clearTimeout(opening);
      wasOpen = true;
      this.failures = 0;
      this.events.onOpen();
    };
    socket.onmessage = ({ data }) => this.events.onNews(JSON.parse(data));
    socket.onclose = async () => {
      clearTimeout(opening);
      const { problem, advice } = wasOpen ? {} : await whyLost(this.address, number);
      this.again(problem ? `${problem}. ${advice}` : text('lost'));
    };
  }

  again(problem) {
    this.events.onState(problem);
    const wait = Math.min(250 * 2 ** this.failures++, 5000) * (0.8 + 0.4 * Math.random());
    this.timer = setTimeout(() => this.connect(), wait);
  }

  /** A ticket for one WebSocket; `refused` without a login, undefined when the server is away. */
  async ticket() {
    for (const token of [...this.tokens(), undefined]) {
      const response = await fetch(`${this.admin}/streamdiffusion/tickets/${this.page.name}`, {
        method: 'POST',
        headers: token ? { Authorization: `Bearer ${token}` } : {},
        signal: AbortSignal.timeout(4000),
      });
      if (response.ok) return (await response.json()).ticket;
      if (response.status !== 401 && response.status !== 403) return undefined;
    }
    return 'refused';
  }

  /** Of a login on this page, and of the editor's in this browser. */
  tokens() {
    try {
      const own = sessionStorage.getItem('streamdiffusion token');
      const path = new URL(this.admin).pathname.replace(/\/+$/, '').replace(/\//g, '-');
      const editors = JSON.parse(localStorage.getItem(`auth-tokens${path}`) ?? '{}')?.access_token;
      return [own, editors].filter(Boolean);
    } catch {
      // A browser that keeps nothing throws when it is asked.
      return [];
    }
  }

  /** `password`, or `editor` where the editor asks in another way, or there is none. */
  async wayToLogIn() {
    if (this.page.admin === 'false') return 'none';
    try {
      const response = await fetch(`${this.admin}/auth/login`, { signal: AbortSignal.timeout(4000) });
      return (await response.json()).type === 'credentials' ? 'password' : 'editor';
    } catch {
      return 'editor';
    }
  }
}
