/** The denoiser's dialog: whether the chosen engine's model supports the chosen size. */
(() => {
  function nearest(pixels, factor) {
    return Math.max(factor, Math.round(pixels / factor) * factor);
  }

  /**
   * @param {(key: string, values?: object) => string} words
   * @returns {(report?: object) => void} shows the tip for a model; none for an unknown one
   */
  function prepareSize(words) {
    const tip = $('#denoiser-size');
    const sides = $('#node-input-width, #node-input-height');
    let factor;

    function show() {
      tip.toggle(factor !== undefined);
      if (factor === undefined) return;
      const wanted = sides
        .map(function () {
          return Number($(this).val() || 256);
        })
        .get();
      const fits = wanted.every((pixels) => pixels % factor === 0);
      const sizes = wanted.map((pixels) => nearest(pixels, factor));
      tip
        .toggleClass('streamdiffusion-trouble', !fits)
        .text(words(fits ? 'size.fits' : 'size.unfit', { factor: factor, size: sizes.join(' × ') }));
    }

    sides.on('input change', show);
    return (report) => {
      factor = report?.info?.vaeScaleFactor;
      show();
    };
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { prepareSize });
})();
