/** The denoiser's dialog: which steps a strength means, and starting points that fill in the fields. */
(() => {
  /** Noise levels that the model was trained with, and those of them that its schedule is picked from (LCM's numbers, which most models keep). */
  const TRAIN_TIMESTEPS = 1000;
  const ORIGINAL_STEPS = 50;

  /**
   * Starting points, by name: how far from the incoming picture, at what cost. Who stands before the camera is seen in all of them,
   * so none has residual guidance, which leads away from what comes in.
   */
  function presetsOf(isStarter) {
    const preset = (strength, steps) => ({ stepsBy: 'strength', strength: strength, steps: steps, cfgType: 'none' });
    return isStarter
      ? { fast: preset('0.3', '1'), faithful: preset('0.25', '2'), free: preset('0.35', '4') }
      : { fast: preset('0.4', '1'), faithful: preset('0.35', '2'), free: preset('0.6', '4') };
  }

  /** As the engine counts them: the first index for the strength, the others evenly from there to the end. */
  function indicesOf(strength, steps, length) {
    const first = Math.min(Math.round((1 - strength) * length), length - steps);
    return Array.from({ length: steps }, (_, i) => first + Math.floor((i * (length - first)) / steps));
  }

  /** The noise level of an index, 999 (pure noise) to 0. */
  function timestepOf(index, length) {
    const original = Math.max(ORIGINAL_STEPS, length);
    return (original - Math.floor((index * original) / length)) * Math.floor(TRAIN_TIMESTEPS / original) - 1;
  }

  /** What the fields mean: indices and length of the schedule; undefined while they cannot work. */
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

  /** Strengths between which pictures of a model differ; beyond them they hardly do. Of other models than ours, all. */
  const USEFUL = { starter: [0.1, 0.7], other: [0, 1] };

  /** The ends of the slider: the useful strengths, unless the present one lies elsewhere. */
  function sliderRange(isStarter, strength) {
    const useful = isStarter ? USEFUL.starter : USEFUL.other;
    return strength < useful[0] || strength > useful[1] ? USEFUL.other : useful;
  }

  /** Whether the chosen engine is on the embedded model. */
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

  /** The schedule as a line from noise to picture, the part that is painted anew in colour, a dot for each step. */
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
   * Keeps slider, picture and preset of the open dialog in step with its fields.
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
      // A slider under the hand keeps its ends: its value is within them.
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
