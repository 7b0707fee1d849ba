/** The denoiser's dialog: fetches the report on the chosen engine's model once for all parts of the dialog that need it. */
(() => {
  /**
   * @param {((report?: object) => void)[]} parts called with the report when the dialog opens and whenever another engine is chosen;
   *   with undefined for an engine without a model, and while the report is being fetched
   */
  function prepareEngine(parts) {
    const field = $('#node-input-engine');
    let asked = 0;

    const tell = (report) => {
      for (const part of parts) part(report);
    };

    function ask() {
      asked += 1;
      const mine = asked;
      tell(undefined);
      const engine = RED.nodes.node(field.val());
      if (!engine) return;
      const { id, model, modelType, autoencoder } = engine;
      const adapters = JSON.stringify(engine.adapters || []);
      $.getJSON('streamdiffusion/engine/check', { id, model, modelType, autoencoder, adapters }).done(({ report }) => {
        // Another engine may have been chosen meanwhile, or another dialog opened.
        if (mine === asked && document.contains(field[0])) tell(report);
      });
    }

    field.on('change', ask);
    ask();
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { prepareEngine });
})();
