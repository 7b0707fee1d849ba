/** The functions that the dialogs of this package share. The editor loads these files in any order, so each adds its part. */
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
        // The percent sign is part of a password.
        return text;
      }
    }

    return {
      /** A validator for a number in a range, an integer if `whole`; an empty field stands for the default. */
      number: (field, min, max, whole) => {
        // The editor shows a validator's own message only if the validator takes two arguments.
        return function (value, _options) {
          const n = Number(value);
          if (value === '' || value === undefined || (n >= min && n <= max && (!whole || Number.isInteger(n)))) return true;
          return this._(whole ? 'invalid.whole' : 'invalid.number', { field: this._(`label.${field}`), min: min, max: max });
        };
      },

      /** A validator for the form of opening hours; the runtime checks the days. */
      openingHours: () => {
        const times = /^(24\/7|off|closed|\d{1,2}(:\d{2})?\s*-\s*\d{1,2}(:\d{2})?(\s*,\s*\d{1,2}(:\d{2})?\s*-\s*\d{1,2}(:\d{2})?)*)$/i;
        const isRule = (rule) => times.test(rule.trim().replace(/^([a-z]{2,3}(\s*-\s*[a-z]{2,3})?[\s,]+)+/i, ''));
        return function (value, _options) {
          const rules = (value || '').replace(/[–—]/g, '-').split(';');
          const isMeant = (rule) => rule.trim() !== '';
          return /^\$\{/.test(value) || rules.filter(isMeant).every(isRule) || this._('invalid.hours');
        };
      },

      /** The login in an address; its password may contain any character unescaped. */
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

      /** Shows the rows whose data attribute contains the value of a select, and hides the others with that attribute. */
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

      /** An adapter's kind and the picture that it needs, in words, as in the check of a model. */
      aboutAdapter: ({ kind, picture }) => {
        const word = (key) => RED._(`@streamdiffusion/node-red/engine:adapters.${key}`);
        return word(`kind.${kind}`) + (picture ? `; ${word(`picture.${picture}`)}` : '');
      },

      /** Posts JSON to one of the package's routes under the editor's own login. */
      post: (path, body) =>
        $.ajax({ url: `streamdiffusion/${path}`, type: 'POST', contentType: 'application/json', data: JSON.stringify(body) }),

      /** The reason of a failed request: the server's own message if there is one. */
      reason: (request, otherwise) => request.responseJSON?.message || otherwise,
    };
  })(),
);
