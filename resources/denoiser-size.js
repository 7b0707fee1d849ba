/** The denoiser's dialog: whether the chosen engine's model can do the chosen size. */
(() => {
  function nearest(pixels, factor) {
    return Math.max(factor, Math.round(pixels / factor) * factor);
  }

  /** @param {(key: string, values?: object) => string} words */
  function prepareSize(words) {
    const tip = $('#denoiser-size');
    const sides = $('#node-input-width, #node-input-height');
    let factor;

    function show() {
      const wanted = sides
        .map(function () {
          return Number($(this).val() || 256);
        })
        .get();
      const fits = wanted.every((pixels) => pixels % factor === 0);
      tip.toggle(factor !== undefined).toggleClass('streamdiffusion-trouble', !fits);
      const sizes = wanted.map((pixels) => nearest(pixels, factor));
      tip.text(words(fits ? 'size.fits' : 'size.unfit', { factor: factor, size: sizes.join(' × ') }));
    }

    /** Asks what the model is. Who may not ask, or has an engine without a model, sees no tip. */
    function ask() {
      factor = undefined;
      tip.hide();
      const engine = RED.nodes.node($('#node-input-engine').val());
      if (!engine) return;
      $.getJSON('streamdiffusion/engine/check', { id: engine.id, model: engine.model, modelType: engine.modelType }).done(({ report }) => {
        if (!report?.info) return;
        factor = report.info.vaeScaleFactor;
        show();
      });
    }

    $('#node-input-engine').on('change', ask);
    sides.on('input change', () => {
      if (factor) show();
    });
    ask();
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { prepareSize });
})();
