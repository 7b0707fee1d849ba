'use strict';

/** How a setting is shown: its step on the slider, the slider's end if it is below the allowed range, and its unit. */
const KNOBS = {
  strength: { step: 0.01 },
  steps: { step: 1 },
  guidanceScale: { step: 0.05, max: 4 },
  feedback: { step: 0.01 },
  feedbackZoom: { step: 0.005, min: 0.9, max: 1.1 },
  feedbackRotate: { step: 0.1, min: -10, max: 10, unit: '°' },
  seedDrift: { step: 0.5, max: 45, unit: '°' },
  seed: {},
};
const WEIGHT = { step: 0.01, min: 0, max: 1.5 };

/** The ranges of the sliders, by control, for other inputs. */
const ranges = new Map();

function slider(control, label, { min, max, step, unit = '' }, onMove = (value) => setValue(control, value)) {
  const id = control.replace(/\W+/g, '-');
  const digits = (String(step).split('.')[1] ?? '').length;
  const input = make('input', { type: 'range', id, min, max, step });
  const output = make('output', { htmlFor: id, textContent: '–' });
  const box = make('div', { className: 'knob' }, make('label', { htmlFor: id, textContent: label }), output, input);
  box.dataset.target = control;
  const shown = (value) => {
    input.value = value;
    // The number is shown even if it is beyond the slider's range.
    output.textContent = Number(value).toFixed(digits) + unit;
    input.style.setProperty('--fill', `${(100 * (input.value - min)) / (max - min)}%`);
  };
  input.oninput = () => {
    shown(input.value);
    onMove(Number(input.value));
  };
  for (const kind of ['pointerdown', 'touchstart']) input.addEventListener(kind, () => held.add(control), { passive: true });
  for (const kind of ['pointerup', 'pointercancel', 'touchend', 'blur'])
    input.addEventListener(kind, () => {
      held.delete(control);
      show(control);
    });
  shows.set(control, shown);
  ranges.set(control, {
    move(share) {
      input.value = min + share * (max - min);
      input.oninput();
    },
  });
  shown(min);
  output.textContent = '–';
  return box;
}

function seedField() {
  const input = make('input', {
    type: 'number',
    id: 'seed',
    min: -1,
    max: 2 ** 32 - 1,
    step: 1,
    inputMode: 'numeric',
    title: text('seedHelp'),
  });
  const dice = make('button', { type: 'button', textContent: text('dice') });
  const box = make(
    'div',
    { className: 'knob' },
    make('label', { htmlFor: 'seed', textContent: text('seed') }),
    make('span'),
    make('div', { className: 'seed' }, input, dice),
  );
  dice.dataset.target = 'dice';
  input.onchange = () => input.value !== '' && setValue('knob seed', Math.round(Number(input.value)));
  dice.onclick = () => {
    const [seed] = crypto.getRandomValues(new Uint32Array(1));
    input.value = seed % 1_000_000;
    input.onchange();
  };
  shows.set('knob seed', (value) => {
    if (document.activeElement !== input) input.value = value;
  });
  return box;
}

let bounds = {};
let adapters = [];
let fadeSeconds = Number(recall(`${KEPT} fade`) ?? 0);

/** Updates the allowed settings and the adapters with weights. */
function setKnobs(knobs, names) {
  bounds = knobs ?? bounds;
  adapters = names ?? adapters;
  if (knobs || names) buildKnobs();
}

function buildKnobs() {
  const knobs = Object.entries(KNOBS).map(([name, look]) => {
    if (name === 'seed') return seedField();
    return slider(`knob ${name}`, text(`knob_${name}`), { ...bounds[name], ...look });
  });
  const weights = adapters.map(({ name }) => slider(`weight ${name}`, text('weightOf', { name }), WEIGHT));
  const fade = slider('fade', text('blackFade'), { min: 0, max: 10, step: 0.1, unit: ' s' }, (seconds) => {
    fadeSeconds = seconds;
    keep(`${KEPT} fade`, seconds);
  });
  $('#knobs').replaceChildren(...knobs.slice(0, -1), ...weights, fade, knobs.at(-1));
  shows.get('fade')(fadeSeconds);
  for (const control of latest.keys()) show(control);
  showBound();
}
