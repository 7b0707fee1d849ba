/** What the dialogs of this package share. The editor loads such files in any order, so each adds its part. */
window.StreamDiffusion = Object.assign(
  window.StreamDiffusion || {},
  (() => {
    const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];

    function unit(value, name, digits) {
      const options = { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits };
      return new Intl.NumberFormat(RED.i18n.lang(), options).format(value);
    }

    function decoded(text) {
      try {
        return decodeURIComponent(text);
      } catch {
        // A percent sign that is part of a password.
        return text;
      }
    }

    return {
      /** A validator: a number in a range, `whole` if it must be; an empty field means the default. */
      number: (field, min, max, whole) => {
        // The editor shows a validator's own words only if the validator takes two arguments.
        return function (value, _options) {
          const n = Number(value);
          if (value === '' || value === undefined || (n >= min && n <= max && (!whole || Number.isInteger(n)))) return true;
          return this._(whole ? 'invalid.whole' : 'invalid.number', { field: this._(`label.${field}`), min: min, max: max });
        };
      },

      /** A validator of opening hours, as far as their form goes; the runtime knows the days. */
      openingHours: () => {
        const times = /^(24\/7|off|closed|\d{1,2}(:\d{2})?\s*-\s*\d{1,2}(:\d{2})?(\s*,\s*\d{1,2}(:\d{2})?\s*-\s*\d{1,2}(:\d{2})?)*)$/i;
        const isRule = (rule) => times.test(rule.trim().replace(/^([a-z]{2,3}(\s*-\s*[a-z]{2,3})?[\s,]+)+/i, ''));
        return function (value, _options) {
          const rules = (value || '').replace(/[–—]/g, '-').split(';');
          const isMeant = (rule) => rule.trim() !== '';
          return /^\$\{/.test(value) || rules.filter(isMeant).every(isRule) || this._('invalid.hours');
        };
      },

      /** The login before the host of an address; its password may hold any character, as it is. */
      loginIn: (text) => {
        const scheme = /^\s*[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0];
        if (!scheme) return undefined;
        const rest = text.slice(scheme.length);
        const authority = /^[^/?#]*/.exec(rest)[0];
        const isHost = /^(\[[0-9a-f:.%]+\]|[^:[\]@\s]*)(:\d*)?$/i.test(authority);
        const end = authority.includes('@') ? authority.lastIndexOf('@') : isHost ? -1 : rest.lastIndexOf('@');
        if (end < 0) return undefined;
        const [user, ...password] = rest.slice(0, end).split(':');
        return { address: scheme.trim() + rest.slice(end + 1), user: decoded(user), password: decoded(password.join(':')) };
      },

      /** Shows the rows of the dialog whose data attribute names the choice of a select, hides the others of that attribute. */
      showRows: (select, attribute) => {
        $(select)
          .on('change', function () {
            const choice = $(this).val();
            $(`#dialog-form [data-${attribute}]`).each(function () {
              $(this).toggle($(this).data(attribute).split(' ').includes(choice));
            });
          })
          .trigger('change');
      },

      /** @example bytes(2580000000) // '2.6 GB' */
      bytes: (bytes) => {
        const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
        const value = bytes / 1000 ** power;
        return unit(value, UNITS[power], power > 0 && value < 99.95 ? 1 : 0);
      },

      /** @example time(95000) // '1 min 35 sec' */
      time: (ms) => {
        const seconds = Math.ceil(ms / 1000);
        if (seconds < 60) return unit(seconds, 'second', 0);
        if (seconds < 3600) return `${unit(Math.floor(seconds / 60), 'minute', 0)} ${unit(seconds % 60, 'second', 0)}`;
        return `${unit(Math.floor(seconds / 3600), 'hour', 0)} ${unit(Math.floor((seconds % 3600) / 60), 'minute', 0)}`;
      },

      /** What an adapter is, and what picture it wants, in words; both as the check of a model says them. */
      aboutAdapter: ({ kind, picture }) => {
        const word = (key) => RED._(`@streamdiffusion/node-red/engine:adapters.${key}`);
        return word(`kind.${kind}`) + (picture ? `; ${word(`picture.${picture}`)}` : '');
      },

      /** Posts JSON to one of the package's routes under the editor's own login. */
      post: (path, body) =>
        $.ajax({ url: `streamdiffusion/${path}`, type: 'POST', contentType: 'application/json', data: JSON.stringify(body) }),

      /** What a failed request means, in words: the server's own if it gave some. */
      reason: (request, otherwise) => request.responseJSON?.message || otherwise,
    };
  })(),
);
