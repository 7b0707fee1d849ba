/** The denoiser's dialog: the steps of a strength, and presets that fill in the fields. */
(() => {
  /** The number of noise levels in training, and of those that schedules are picked from (LCM's numbers, which most models share). */
  const TRAIN_TIMESTEPS = 1000;
  const ORIGINAL_STEPS = 50;

  /**
   * The presets, by name: how far they depart from the incoming picture, and at what cost. A person before the camera is visible in
   * all of them, so none uses residual guidance, which departs from the input.
   */
  function presetsOf(isStarter) {
    const preset = (strength, steps) => ({ stepsBy: 'strength', strength: strength, steps: steps, cfgType: 'none' });
    return isStarter
      ? { fast: preset('0.3', '1'), faithful: preset('0.25', '2'), free: preset('0.35', '4') }
      : { fast: preset('0.4', '1'), faithful: preset('0.35', '2'), free: preset('0.6', '4') };
  }

  /** The step indices as the engine computes them: the first from the strength, the others evenly from there to the end. */
  function indicesOf(strength, steps, length) {
    const first = Math.min(Math.round((1 - strength) * length), length - steps);
    return Array.from({ length: steps }, (_, i) => first + Math.floor((i * (length - first)) / steps));
  }

  /** The noise level of an index, 999 (pure noise) to 0. */
  function timestepOf(index, length) {
    const original = Math.max(ORIGINAL_STEPS, length);
    return (original - Math.floor((index * original) / length)) * Math.floor(TRAIN_TIMESTEPS / original) - 1;
  }

  /** The step indices and the schedule's length from the fields; undefined while they are invalid. */
  function readFields(fields) {
    const length = Number(fields.numInferenceSteps || 50);
    if (!(length <= TRAIN_TIMESTEPS) || (fields.stepsBy !== 'list' && !(Number(fields.steps || 2) <= length))) return undefined;
    const list =
      fields.stepsBy === 'list'
        ? String(fields.tIndexList || '')
            .split(/[\s,]+/)
            .filter(Boolean)
            .map(Number)
        : indicesOf(Number(fields.strength || 0.5), Number(fields.steps || 2), length);
    const fits =
      list.length > 0 &&
      list.every((index, i) => Number.isInteger(index) && index >= 0 && index < length && (i === 0 || index > list[i - 1]));
    return fits ? { indices: list, length: length } : undefined;
  }

  /** The useful strengths of a model, beyond which pictures hardly change; for models other than the embedded one, all. */
  const USEFUL = { starter: [0.1, 0.7], other: [0, 1] };

  /** The ends of the slider: the useful strengths, extended if the present one is outside. */
  function sliderRange(isStarter, strength) {
    const useful = isStarter ? USEFUL.starter : USEFUL.other;
    return strength < useful[0] || strength > useful[1] ? USEFUL.other : useful;
  }

  /** Whether the chosen engine uses the embedded model. */
  function isOnStarter(engine) {
    return Boolean(engine) && (engine.modelType === 'starter' || engine.modelType === undefined);
  }

  function svg(name, attributes) {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name);
    Object.keys(attributes).forEach((key) => {
      element.setAttribute(key, attributes[key]);
    });
    return element;
  }

  /** Draws the schedule as a line from noise to picture: the denoised part is coloured, and each step is a dot. */
  function draw({ indices, length }) {
    const at = (index) => `${1 + (98 * index) / length}%`;
    const picture = svg('svg', { height: '22', 'aria-hidden': 'true', style: 'width: calc(100% - 100px)' });
    picture.append(
      svg('line', { x1: at(0), x2: at(length), y1: 11, y2: 11, class: 'streamdiffusion-schedule' }),
      svg('line', { x1: at(indices[0]), x2: at(length), y1: 11, y2: 11, class: 'streamdiffusion-schedule streamdiffusion-painted' }),
    );
    indices.forEach((index) => {
      picture.append(svg('circle', { cx: at(index), cy: 11, r: 5, class: 'streamdiffusion-step' }));
    });
    return picture;
  }

  const NAMES = ['stepsBy', 'strength', 'steps', 'tIndexList', 'numInferenceSteps', 'cfgType', 'guidanceScale', 'delta'];

  /**
   * Keeps the slider, the drawing and the preset of the open dialog in sync with its fields.
   *
   * @param {(key: string, values?: object) => string} words
   */
  function prepareSteps(words) {
    const field = (name) => $(`#node-input-${name}`);
    const slider = $('#denoiser-slider');
    const shown = $('#denoiser-steps');
    const numbers = $('#denoiser-timesteps');
    const onStarter = () => isOnStarter(RED.nodes.node($('#node-input-engine').val()));
    const preset = $('#denoiser-preset');

    function current() {
      return Object.fromEntries(NAMES.map((name) => [name, field(name).val()]));
    }

    function show() {
      const fields = current();
      const steps = readFields(fields);
      shown.empty();
      if (steps) {
        const timesteps = steps.indices.map((index) => timestepOf(index, steps.length));
        const text = words('steps.show', { indices: steps.indices.join(', '), length: steps.length, timesteps: timesteps.join(', ') });
        const ends = $('<div class="streamdiffusion-schedule-ends">').append(
          $('<span>').text(words('steps.noise')),
          $('<span>').text(words('steps.picture')),
        );
        shown.append(draw(steps), ends);
        numbers.text(text);
      }
      numbers.toggle(Boolean(steps));
      const strength = fields.strength === '' ? 0.5 : Number(fields.strength);
      const range = sliderRange(onStarter(), strength);
      // The range of a slider does not change while it is dragged.
      if (!slider.is(':active')) slider.attr({ min: range[0], max: range[1] });
      slider.val(strength);
      const presets = presetsOf(onStarter());
      const known = Object.keys(presets).find((name) => Object.keys(presets[name]).every((key) => fields[key] === presets[name][key]));
      preset.val(known || 'own');
      $('#denoiser-preset-about').text(words(`presetAbout.${known || 'own'}`));
    }

    preset.on('change', () => {
      const chosen = presetsOf(onStarter())[preset.val()] || {};
      Object.keys(chosen).forEach((name) => {
        field(name).val(chosen[name]).trigger('change');
      });
      show();
    });
    slider.on('input', () => {
      field('strength').val(slider.val()).trigger('change');
    });
    NAMES.concat('engine').forEach((name) => {
      field(name).on('input change', show);
    });
    show();
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, {
    indicesOf,
    timestepOf,
    sliderRange,
    isOnStarter,
    prepareSteps,
    presetsOf,
  });
})();
