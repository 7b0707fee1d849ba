'use strict';

/** The connection of a performance page: logs in if necessary, sends orders, and receives changes. */
class PlayLink {
  /**
   * @param {object} page `{ name, players, admin, node }`as the server sends it; `admin` and `node` are the roots of editor and pages
   * @param {object} events those of a `Link`
   */
  constructor(page, events) {
    this.page = page;
    this.count = 0;
    this.login = new EditorLogin(
      { ...page, path: `/streamdiffusion/${page.name}/play` },
      { scope: 'streamdiffusion.write', help: 'logInHelp' },
    );
    this.link = new Link(here, { ...events, query: () => this.query() });
  }

  /** Sends an order. @returns {number} its number, which the server sends back when it was obeyed; 0 when nothing was sent */
  order(order) {
    return this.link.send({ n: this.count + 1, ...order }) ? ++this.count : 0;
  }

  /** A ticket for one WebSocket, as part of its address; undefined without a login. Rejects when the server cannot be reached. */
  async query() {
    if (this.page.players !== 'login') return '';
    const response = await this.login.ask('POST', `/streamdiffusion/tickets/${this.page.name}`, () => this.link.retry());
    return response && `ticket=${encodeURIComponent((await response.json()).ticket)}&`;
  }
}
