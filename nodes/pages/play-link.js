'use strict';

const TOKEN = 'streamdiffusion token';

/** The connection of a performance page: logs in where the page asks for it, sends orders, and hears what changes. */
class PlayLink {
  /**
   * @param {object} page `{ name, players, admin, node }`: as the server says it; `admin` and `node` are the roots of editor and pages
   * @param {object} events those of a `Link`, and `onLogin(way)` when a login is needed
   */
  constructor(page, events) {
    this.page = page;
    this.events = events;
    this.count = 0;
    this.link = new Link(here, { ...events, query: () => this.query() });
  }

  /** Sends an order. @returns {number} its number, which the server says again when it is obeyed; 0 when nothing was sent */
  order(order) {
    return this.link.send({ n: this.count + 1, ...order }) ? ++this.count : 0;
  }

  retry() {
    this.link.retry();
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
      keep(TOKEN, (await response.json()).access_token, 'sessionStorage');
    } catch (error) {
      return error.message;
    }
    this.retry();
    return undefined;
  }

  async query() {
    if (this.page.players !== 'login') return '';
    const ticket = await this.ticket();
    if (ticket !== 'refused') return `ticket=${encodeURIComponent(ticket)}&`;
    this.events.onLogin(await this.wayToLogIn());
    return undefined;
  }

  /** A ticket for one WebSocket, or `refused` without a login. Rejects when the server is away. */
  async ticket() {
    for (const token of [...this.tokens(), undefined]) {
      const response = await fetch(`${this.admin}/streamdiffusion/tickets/${this.page.name}`, {
        method: 'POST',
        headers: token ? { Authorization: `Bearer ${token}` } : {},
        signal: AbortSignal.timeout(4000),
      });
      if (response.ok) return (await response.json()).ticket;
      if (response.status !== 401 && response.status !== 403) throw new Error(`status ${response.status}`);
    }
    return 'refused';
  }

  /** Of a login on this page, and of the editor's in this browser. */
  tokens() {
    const path = new URL(this.admin).pathname.replace(/\/+$/, '').replace(/\//g, '-');
    return [recall(TOKEN, 'sessionStorage'), recall(`auth-tokens${path}`)?.access_token].filter(Boolean);
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
