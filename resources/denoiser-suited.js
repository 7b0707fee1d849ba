/** The denoiser's dialog: a button that applies the settings suited to the chosen engine's model. */
(() => {
  /** The names of fields in the dialog's texts, where they differ. */
  const LABELS = { width: 'size', height: 'height' };

  /**
   * The values of the fields for a model.
   *
   * @param {{kind: string, settings: object}} suited
   * @param {string} mode of the node
   */
  function fieldsFor({ kind, settings }, mode) {
    const texts = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
    if (kind === 'other') return texts;
    // In text to image there is no incoming picture to keep, so the strength is full.
    return { ...texts, stepsBy: 'strength', ...(mode === 'txt2img' && { strength: '1' }) };
  }

  /**
   * @param {(key: string, values?: object) => string} words
   * @returns {(report?: object) => void} offers the settings for a model; none for an unknown one
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
