/** The part of the engine's dialog that checks the model and the execution providers. */
(() => {
  /** ONNX Runtime's names; a number after a colon is that of a card. */
  const PROVIDERS = 'automatic cpu cuda tensorrt dml coreml webgpu openvino qnn rocm migraphx xnnpack nnapi cann vitisai azure'.split(' ');

  function providers(value, _options) {
    const text = value || '';
    if (!/^\s*([a-z][a-z0-9]*(:\d+)?\s*(,\s*|$))*$/i.test(text)) return this._('invalid.executionProviders');
    const names = text.split(',').map((name) => name.trim());
    const unknown = names.find((name) => name !== '' && !PROVIDERS.includes(name.toLowerCase().split(':')[0]));
    if (unknown !== undefined) return this._('invalid.provider', { name: unknown });
    return !/automatic[^,]*,|,[^,]*automatic/i.test(text) || this._('invalid.automatic');
  }

  /** Shows what the chosen model contains, and then which execution providers of the machine can run it. */
  function run(node, model, result) {
    const lines = $('<div>').text(node._('check.busy'));
    result.empty().append(lines).show();
    $.getJSON('streamdiffusion/engine/check', { id: node.id, ...model })
      .done((answer) => {
        lines.text(answer.lines.join('\n'));
        if (answer.usable) tryProviders(node, result, answer.report);
      })
      .fail((request) => lines.text(node._('check.failed', { status: request.status })));
  }

  /** @param able the only providers that have the model's operators, if there are such limits */
  function tryProviders(node, result, { executionProviders: able, hasInt8 }) {
    const busy = $('<div>').text(node._('check.trying')).appendTo(result);
    $.getJSON('streamdiffusion/models/providers')
      .done((reports) => {
        busy.remove();
        for (const { name, works, reason, arithmetic } of reports) {
          const fits = works && (!able || able.includes(name));
          const why = works ? node._('check.operators') : reason;
          const words = fits ? node._('check.runs', { name }) : node._('check.refuses', { name, reason: why });
          const line = $('<div>').text(words).appendTo(result);
          if (!fits) continue;
          if (arithmetic && hasInt8) line.append(' ').append(document.createTextNode(node._('check.computes', arithmetic)));
          const choose = $('<a href="#">').text(node._('check.choose')).appendTo(line.append(' '));
          choose.on('click', (event) => {
            event.preventDefault();
            $('#node-config-input-executionProviders')
              .val(name === 'cpu' ? 'cpu' : `${name}, cpu`)
              .trigger('change');
          });
        }
      })
      .fail(() => busy.remove());
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { EngineCheck: { providers, run } });
})();
