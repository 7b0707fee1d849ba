'use strict';

const TOKEN = 'streamdiffusion token';

/** The editor's login, for pages that need permissions: asked for in a dialog unless the editor is logged in in the same browser. */
class EditorLogin {
  /**
   * @param {object} page `{ admin, node }`, the roots of editor and pages as the server sends them, and `path`, this page's address below the latter
   * @param {object} words `scope` of the login, and `help`: the key of the text that explains why it is needed
   */
  constructor(page, { scope, help }) {
    this.page = page;
    this.scope = scope;
    this.help = help;
    $('#login form').onsubmit = (event) => {
      event.preventDefault();
      this.submit();
    };
    $('#leave').onclick = () => this.done();
    $('#login').oncancel = (event) => $('#leave').hidden && event.preventDefault();
  }

  /** The editor's address, derived from this page's: a proxy may have added a prefix to both. */
  get admin() {
    const path = location.pathname.replace(/\/+$/, '');
    const own = this.page.node + this.page.path;
    const before = path.endsWith(own) ? path.slice(0, -own.length) : '';
    return location.origin + before + this.page.admin;
  }

  /**
   * Sends a request to the editor's side. Without a sufficient login, asks for one in the dialog and then calls `retry`; the dialog stays until that worked.
   * @param {boolean} mayLeave whether the dialog can be closed, because the page is useful without a login
   * @returns {Promise<Response | undefined>} undefined while there is no login. Rejects when the server cannot be reached
   */
  async ask(method, path, retry, mayLeave = false) {
    if (this.page.admin !== 'false') {
      for (const token of [...this.tokens(), undefined]) {
        const headers = token ? { Authorization: `Bearer ${token}` } : {};
        const response = await fetch(this.admin + path, { method, headers, signal: AbortSignal.timeout(4000) });
        if (response.ok) {
          this.done();
          return response;
        }
        if (response.status !== 401 && response.status !== 403) throw new Error(`status ${response.status}`);
      }
    }
    this.retry = retry;
    this.open(await this.way(), mayLeave);
    return undefined;
  }

  /** Closes the dialog. */
  done() {
    if ($('#login').open) $('#login').close();
  }

  /** The tokens of a login on such a page, and of the editor in this browser. */
  tokens() {
    const path = new URL(this.admin).pathname.replace(/\/+$/, '').replace(/\//g, '-');
    return [recall(TOKEN, 'sessionStorage'), recall(`auth-tokens${path}`)?.access_token].filter(Boolean);
  }

  /** The kind of login: `password`, `editor` for other strategies, or `none`. */
  async way() {
    if (this.page.admin === 'false') return 'none';
    try {
      const response = await fetch(`${this.admin}/auth/login`, { signal: AbortSignal.timeout(4000) });
      return (await response.json()).type === 'credentials' ? 'password' : 'editor';
    } catch {
      return 'editor';
    }
  }

  open(way, mayLeave) {
    $('#leave').hidden = !mayLeave;
    // Typed text is kept.
    if ($('#login').open && way === this.shown) return;
    this.shown = way;
    const isPassword = way === 'password';
    $('#loginWhy').textContent = text(isPassword ? this.help : way === 'none' ? 'logInNowhere' : 'logInEditor');
    const fields = [
      ['user', 'username', 'text'],
      ['password', 'current-password', 'password'],
    ];
    const inputs = fields.flatMap(([id, autocomplete, type]) => [
      make('label', { htmlFor: id, textContent: text(id) }),
      make('input', { id, type, autocomplete, required: true }),
    ]);
    const editor = make('a', { href: `${this.admin}/`, target: '_blank', textContent: text('openEditor') });
    $('#fields').replaceChildren(...(isPassword ? inputs : way === 'editor' ? [editor] : []));
    $('#enter').textContent = text(isPassword ? 'logIn' : 'tryAgain');
    if (!$('#login').open) $('#login').showModal();
  }

  async submit() {
    const user = document.getElementById('user');
    const problem = user ? await this.logIn(user.value, document.getElementById('password').value) : undefined;
    $('#refused').textContent = problem ?? '';
    $('#refused').hidden = !problem;
    if (!problem) this.retry?.();
  }

  /** Logs in as the editor does. @returns {Promise<string | undefined>} the error */
  async logIn(username, password) {
    const body = new URLSearchParams({ client_id: 'node-red-editor', grant_type: 'password', scope: this.scope, username, password });
    try {
      const response = await fetch(`${this.admin}/auth/token`, { method: 'POST', body });
      if (!response.ok) return text(response.status === 429 ? 'tooOften' : 'refused');
      keep(TOKEN, (await response.json()).access_token, 'sessionStorage');
      return undefined;
    } catch (error) {
      return error.message;
    }
  }
}
