/** The denoiser's dialog: what the model of the chosen engine is, asked for once for all parts of the dialog that go by it. */
(() => {
  /**
   * @param {((report?: object) => void)[]} parts hear of the model when the dialog opens and whenever another engine is chosen; of an
   *   engine without a model, and of one that is just being asked about, they hear nothing
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
        // Another engine may have been chosen meanwhile, and another dialog be open.
        if (mine === asked && document.contains(field[0])) tell(report);
      });
    }

    field.on('change', ask);
    ask();
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { prepareEngine });
})();
