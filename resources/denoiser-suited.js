/** The denoiser's dialog: the settings that the chosen engine's model was made for, at the press of a button. */
(() => {
  /** What fields are called in the dialog's words, where that differs. */
  const LABELS = { width: 'size', height: 'height' };

  /**
   * What the fields are to say for a model.
   * @param {{kind: string, settings: object}} suited
   * @param {string} mode of the node
   */
  function fieldsFor({ kind, settings }, mode) {
    const texts = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
    if (kind === 'other') return texts;
    // Without an incoming picture there is nothing to keep.
    return { ...texts, stepsBy: 'strength', ...(mode === 'txt2img' && { strength: '1' }) };
  }

  /**
   * @param {(key: string, values?: object) => string} words
   * @returns {(report?: object) => void} offers the settings for a model; of one that is not known there are none
   */
  function prepareSuited(words) {
    const panel = $('#denoiser-suited');
    const about = panel.find('.streamdiffusion-beside');
    let suited;

    function shownOf(field) {
      return field.is('select') ? field.find('option:selected').text() : field.val();
    }

    panel.find('button').on('click', () => {
      const wanted = Object.entries(fieldsFor(suited, $('#node-input-mode').val()));
      const changes = wanted.flatMap(([name, value]) => {
        const field = $(`#node-input-${name}`);
        const before = shownOf(field);
        if (field.val() === value) return [];
        field.val(value).trigger('change');
        return [words('suited.change', { field: words(`label.${LABELS[name] || name}`), before: before, after: shownOf(field) })];
      });
      about.text(changes.length > 0 ? words('suited.changed', { changes: changes.join(', ') }) : words('suited.same'));
    });

    return (report) => {
      suited = report?.suited;
      panel.toggle(suited !== undefined);
      if (suited) about.text(words(`suited.kind.${suited.kind}`));
    };
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { fieldsFor, prepareSuited });
})();
