/** The part of the engine's dialog for adapters: those in the model's folder, and a list of names and paths. */
window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, {
  EngineAdapters: (() => {
    const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_ .-]{0,63}$/u;
    /** The pause after typing before adapters are checked, ms. */
    const CHECK_AFTER = 600;

    /** The values of the rows. */
    function rows() {
      const found = [];
      // A row that is being removed fades out first.
      $('#engine-adapters > li:not(.red-ui-editableList-item-deleting) .streamdiffusion-adapter').each(function () {
        const name = $(this).find('[data-field=name]').val().trim();
        const path = $(this).find('[data-field=path]').val().trim();
        found.push({ name, path, row: $(this) });
      });
      return found;
    }

    function value() {
      return rows()
        .filter(({ name, path }) => name !== '' || path !== '')
        .map(({ name, path }) => ({ name, path }));
    }

    /** A validator: the error in the saved list, or true. */
    function valid(adapters, _options) {
      const list = Array.isArray(adapters) ? adapters : [];
      const wrong = list.find(({ name, path }) => !path || !NAME.test(name || '') || name === 'image' || name === 'mask');
      if (wrong) return this._('invalid.adapter', { name: wrong.name || '' });
      const twice = list.find(({ name }, k) => list.findIndex((other) => other.name === name) !== k);
      return twice === undefined || this._('invalid.adapterTwice', { name: twice.name });
    }

    function sentence(report) {
      return report.problem ? `✗ ${report.problem}` : `✓ ${window.StreamDiffusion.aboutAdapter(report)}`;
    }

    /**
     * @param {object} options
     * @param {object} options.node the engine
     * @param {() => object} options.model the chosen model, as the check's query
     */
    function prepare({ node, model }) {
      let timer;
      let asked = 0;
      const own = $('#engine-adapters-own');
      const list = $('#engine-adapters').editableList({
        height: 'auto',
        removable: true,
        addButton: node._('adapters.add'),
        addItem(container, _index, { name = '', path = '' }) {
          const field = (of, width) =>
            $('<input type="text">')
              .attr({ 'data-field': of, placeholder: node._(`adapters.${of}`), 'aria-label': node._(`adapters.${of}`) })
              .css('width', width)
              .val(of === 'name' ? name : path);
          container
            .addClass('streamdiffusion-adapter')
            .append(field('name', '28%'), ' ', field('path', '68%'), $('<div class="streamdiffusion-adapter-state">'));
        },
        removeItem: later,
      });
      for (const adapter of Array.isArray(node.adapters) ? node.adapters : []) list.editableList('addItem', adapter);
      list.on('input', 'input', later);
      $('#node-config-input-model').on('change', later);

      function later() {
        clearTimeout(timer);
        timer = setTimeout(check, CHECK_AFTER);
      }

      function check() {
        // Another dialog may have been opened meanwhile.
        if (!document.contains(list[0])) return;
        asked += 1;
        const mine = asked;
        const complete = rows().filter(({ name, path }) => name !== '' && path !== '');
        const adapters = JSON.stringify(complete.map(({ name, path }) => ({ name, path })));
        $.getJSON('streamdiffusion/engine/check', Object.assign({ id: node.id, adapters }, model())).done((answer) => {
          if (mine !== asked) return;
          const reports = answer.report?.adapters || [];
          for (const { name, row } of rows()) {
            const report = reports.find((each) => each.name === name && !each.isOwn);
            row
              .find('.streamdiffusion-adapter-state')
              .toggleClass('streamdiffusion-trouble', Boolean(report?.problem))
              .text(report ? sentence(report) : '');
          }
          own
            .empty()
            .append(
              reports
                .filter(({ isOwn }) => isOwn)
                .map((report) =>
                  $('<div>').text(
                    node._(report.problem ? 'adapters.ownWrong' : 'adapters.own', { name: report.name, what: sentence(report) }),
                  ),
                ),
            );
        });
      }
      check();
    }

    /** Adds an adapter, named after its folder if that name is valid and free. */
    function add(path) {
      const name = path.split(/[\\/]/).pop();
      const taken = rows().map((row) => row.name);
      $('#engine-adapters').editableList('addItem', { name: NAME.test(name) && !taken.includes(name) ? name : '', path });
      $('#engine-adapters input').last().trigger('input');
    }

    return { prepare, value, valid, add };
  })(),
});
