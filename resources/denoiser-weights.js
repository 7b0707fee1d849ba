/** The denoiser's dialog: a slider for the strength of each adapter of its engine. */
(() => {
  /** The usual range of a slider, from off to twice the trained strength, and the full range for values outside it. */
  const USUAL = [0, 2];
  const WIDE = [-2, 2];
  /** The trained strength, the default of an adapter. */
  const TRAINED = 1;

  /** The open dialog's values by adapter: numbers, or invalid texts. */
  let weights = new Map();

  const numberOf = (text) => (String(text).trim() === '' ? TRAINED : Number(text));

  /** A node's saved weights. Flows that were written by hand may say `edges: 0.8, ink: 1`. */
  function saved(value) {
    if (typeof value === 'object' && value !== null) return new Map(Object.entries(value));
    const items = String(value || '').split(',');
    return new Map(
      items
        .filter((item) => item.includes(':'))
        .map((item) => [item.slice(0, item.lastIndexOf(':')).trim(), item.slice(item.lastIndexOf(':') + 1).trim()]),
    );
  }

  /** The weights for `msg.params`. */
  function denoiserWeights() {
    return Object.fromEntries(weights);
  }

  /** The weights to save: those that differ from the trained strength. */
  function weightsToSave() {
    return Object.fromEntries([...weights].filter(([, weight]) => weight !== TRAINED));
  }

  /** A validator whose message names the invalid weight. */
  function validWeights(value, _options) {
    const wrong = [...saved(value)].find(([, weight]) => !Number.isFinite(numberOf(weight)));
    return wrong === undefined || this._('invalid.weight', { name: wrong[0] });
  }

  /**
   * Prepares the section of the adapters.
   * @param {object} node the denoiser
   * @param {(key: string, values?: object) => string} words
   * @returns {(report?: object) => void} shows sliders for the adapters in a model's report
   */
  function prepareWeights(node, words) {
    const section = $('#denoiser-adapters');
    const rows = $('<div>').appendTo(section);
    weights = saved(node.weights);

    function row(name, about) {
      const label = $('<label>').attr('title', name).append('<i class="fa fa-fw fa-sliders"></i> ', document.createTextNode(name));
      const slider = $('<input type="range" class="streamdiffusion-slider" step="0.01">').attr('aria-label', name);
      const field = $('<input type="text" style="width: 90px;">').attr({ 'aria-label': name, placeholder: TRAINED, 'data-weight': name });

      function show() {
        const weight = numberOf(field.val());
        field.toggleClass('input-error', !Number.isFinite(weight));
        if (!Number.isFinite(weight)) return;
        const [min, max] = weight < USUAL[0] || weight > USUAL[1] ? WIDE : USUAL;
        // The range of a slider does not change while it is dragged.
        if (!slider.is(':active')) slider.attr({ min: min, max: max });
        slider.val(weight);
      }

      field.val(weights.has(name) ? weights.get(name) : '').on('input change', () => {
        const weight = numberOf(field.val());
        weights.set(name, Number.isFinite(weight) ? weight : field.val());
        show();
      });
      slider.on('input', () => {
        field.val(slider.val()).trigger('change');
      });
      show();
      return $('<div>').append(
        $('<div class="form-row">').append(label, ' ', slider, ' ', field),
        $('<div class="streamdiffusion-beside">').text(about),
      );
    }

    return (report) => {
      const found = (report?.adapters || []).filter(({ problem }) => !problem);
      // A saved weight of an adapter that the engine no longer has is shown, so that it can be removed.
      const gone = report ? [...weights.keys()].filter((name) => !found.some((adapter) => adapter.name === name)) : [];
      rows.empty().append(
        found.map((adapter) => row(adapter.name, window.StreamDiffusion.aboutAdapter(adapter))),
        gone.map((name) => row(name, words('adapter.gone'))),
      );
      section.toggle(found.length + gone.length > 0);
    };
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { denoiserWeights, weightsToSave, validWeights, prepareWeights });
})();
