/** The part of the engine's dialog for the automatic choice of an execution provider. */
window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, {
  EngineAutomatic: {
    /** Shows the results of trying providers while "automatic" is chosen, with a button to try again. */
    prepare: ({ node, model }) => {
      const panel = $('#engine-automatic');
      const result = panel.find('.form-tips');
      const button = panel.find('button');
      const providers = $('#node-config-input-executionProviders');
      let asked = 0;

      function question() {
        const fields = { id: node.id, ...model() };
        for (const name of ['device', 'threads', 'int8']) fields[name] = String($(`#node-config-input-${name}`).val() || '');
        return fields;
      }

      function show(asking) {
        const turn = ++asked;
        button.prop('disabled', true);
        return asking
          .done((answer) => turn === asked && result.text(answer.lines.join('\n')))
          .fail((request) => turn === asked && result.text(node._('check.failed', { status: request.status })))
          .always(() => turn === asked && button.prop('disabled', false));
      }

      function look() {
        const isAutomatic = /^\s*automatic(:\d+)?\s*$/i.test(providers.val() || '');
        panel.toggle(isAutomatic);
        if (isAutomatic) show($.getJSON('streamdiffusion/engine/automatic', question()));
      }

      button.on('click', () => {
        result.text(node._('automatic.busy'));
        show(window.StreamDiffusion.post('engine/automatic', question()));
      });
      providers.on('change', look);
      $('#node-config-input-model').on('change', look);
      look();
    },
  },
});
