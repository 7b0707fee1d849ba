'use strict';

const KEPT = `streamdiffusion play ${PAGE.name}`;
/** How a setting is shown: its step on the slider, the slider's end where that is less than what is allowed, and its unit. */
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
/** A setting goes to the server no more often than that, ms. */
const SEND_MS = 40;
/** So long a press on a pad saves, ms. */
const LONG_MS = 600;

let hide;
function say(words, isBad = false) {
  const box = $('#say');
  box.textContent = words;
  box.classList.toggle('bad', isBad);
  box.hidden = words === '';
  clearTimeout(hide);
  hide = setTimeout(() => (box.hidden = true), 6000);
}

// ---- values: what the server says, and what this page has set since ---------------------------------------------------

/** The newest of the server, by control: `prompt`, `knob strength`, `weight NAME`. */
const latest = new Map();
/** The number of the last order with a control that is not obeyed yet; Infinity while it waits to be sent. */
const pending = new Map();
/** Controls that a hand is on. */
const held = new Set();
/** By control, shows its value. */
const shows = new Map();
let unsent;
let lastSent = -Infinity;

/** A value that comes back while a newer one of this page is on its way would move the control back for a moment. */
function show(control) {
  if (latest.has(control) && !pending.has(control) && !held.has(control)) shows.get(control)?.(latest.get(control));
}

function setValue(control, value) {
  unsent ??= { params: {}, weights: {} };
  const [kind, ...rest] = control.split(' ');
  if (kind === 'prompt') unsent.prompt = value;
  else unsent[kind === 'knob' ? 'params' : 'weights'][rest.join(' ')] = value;
  pending.set(control, Infinity);
  if (!setValue.timer) setValue.timer = setTimeout(sendValues, Math.max(0, lastSent + SEND_MS - performance.now()));
}

function sendValues() {
  clearTimeout(setValue.timer);
  setValue.timer = undefined;
  lastSent = performance.now();
  const n = link.order({ set: unsent });
  unsent = undefined;
  for (const [control, number] of pending) if (number === Infinity) n > 0 ? pending.set(control, n) : pending.delete(control);
}

/** Sends an order, after what was set before it: a scene that is saved holds it, one that is played does away with it. */
function order(wanted) {
  if (unsent) sendValues();
  return link.order(wanted);
}

function onValues({ prompt, params = {}, weights = {} }) {
  if (prompt !== undefined) latest.set('prompt', prompt);
  for (const [name, value] of Object.entries(params)) latest.set(`knob ${name}`, value);
  for (const [name, value] of Object.entries(weights)) latest.set(`weight ${name}`, value);
  for (const control of latest.keys()) show(control);
}

function onObeyed(n) {
  for (const [control, number] of pending) {
    if (number > n) continue;
    pending.delete(control);
    show(control);
  }
}

// ---- sliders ----------------------------------------------------------------------------------------------------------

/** What a slider can be set to from elsewhere, by control: its range. */
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
    // What the slider has no room for is told all the same.
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

// ---- prompt -----------------------------------------------------------------------------------------------------------

const field = $('#prompt');

function lineOf(prompt) {
  return typeof prompt === 'string'
    ? prompt
    : prompt.map(({ text: words, weight }) => (weight === 1 ? words : `${words} (${weight})`)).join(' + ');
}

shows.set('prompt', (prompt) => {
  if (document.activeElement !== field || field.value === '') field.value = lineOf(prompt);
});

function apply() {
  setValue('prompt', field.value.trim());
  field.blur();
}

function showChips({ words, added }) {
  const chips = words.map(({ word, as, known }) => {
    const kind = !known ? 'unknown' : as.length === 0 ? 'silent' : 'known';
    const read = as.join(' ');
    const title = text(kind === 'unknown' ? 'wordUnknown' : kind === 'silent' ? 'wordSilent' : 'takeOut', { word });
    const label = kind === 'known' && read !== word.toLowerCase() ? `${word} → ${read}` : kind === 'unknown' ? `? ${word}` : word;
    const chip = make('button', { className: 'chip', type: 'button', textContent: label, title });
    chip.dataset.kind = kind;
    chip.onclick = () => toggleWord(word);
    return chip;
  });
  const others = added.map((word) => make('span', { className: 'chip', textContent: `+ ${word}`, title: text('wordAdded') }));
  for (const chip of others) chip.dataset.kind = 'added';
  $('#chips').replaceChildren(...chips, ...others);
}

/** Takes a word out of the prompt, or puts it at its end. */
function toggleWord(word) {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found = new RegExp(`(^|[^\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`, 'iu');
  field.value = found.test(field.value)
    ? field.value
        .replace(found, '$1')
        .replace(/\s+/g, ' ')
        .replace(/(\s*,)+/g, ',')
        .replace(/^[\s,]+|[\s,]+$/g, '')
    : [field.value.trim(), word].filter(Boolean).join(field.value.includes(',') ? ', ' : ' ');
  apply();
}

function showKnown(known) {
  const { words, language } = wordsFor(known);
  $('#known').hidden = words.length === 0;
  $('#known div').replaceChildren(
    ...words.map((word) => {
      const chip = make('button', { className: 'chip', type: 'button', textContent: word, lang: language });
      chip.onclick = () => toggleWord(word);
      return chip;
    }),
  );
}

field.onkeydown = (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    apply();
  }
  if (event.key === 'Escape') {
    field.value = latest.has('prompt') ? lineOf(latest.get('prompt')) : '';
    field.blur();
  }
};
$('#apply').onclick = apply;

// ---- scenes -----------------------------------------------------------------------------------------------------------

let scenes = [];
let isSaving = false;

function setSaving(on) {
  isSaving = on;
  document.body.classList.toggle('saving', on);
  $('#save').setAttribute('aria-pressed', on);
}

function playScene(number) {
  if (!scenes[number]) return saveScene(number);
  const pad = $('#pads').children[number];
  pad.classList.toggle('waits', isOnBeat && tempo.bpm !== undefined);
  const launch = () => {
    pad.classList.remove('waits');
    markScene(number);
    order({ scene: number });
  };
  if (isOnBeat) tempo.onNext(launch);
  else launch();
}

function saveScene(number) {
  setSaving(false);
  if (order({ save: number })) say(text('sceneSaved', { number: number + 1 }));
}

function markScene(number) {
  [...$('#pads').children].forEach((pad, k) => pad.classList.toggle('now', k === number));
}

function buildPads() {
  const pads = Array.from({ length: 8 }, (_, number) => {
    const pad = make('button', { type: 'button' }, make('b', { textContent: number + 1 }), make('span'));
    pad.dataset.target = `scene ${number}`;
    let press;
    let wasLong = false;
    pad.onpointerdown = () => {
      wasLong = false;
      press = setTimeout(() => {
        wasLong = true;
        saveScene(number);
      }, LONG_MS);
    };
    for (const kind of ['pointerup', 'pointerleave', 'pointercancel']) pad.addEventListener(kind, () => clearTimeout(press));
    pad.oncontextmenu = (event) => event.preventDefault();
    pad.onclick = ({ shiftKey }) => {
      if (wasLong) return;
      if (isSaving || shiftKey) saveScene(number);
      else playScene(number);
    };
    return pad;
  });
  $('#pads').replaceChildren(...pads);
}

function showScenes(all) {
  scenes = all;
  [...$('#pads').children].forEach((pad, k) => {
    const scene = scenes[k];
    pad.className = scene ? 'pad' : 'pad empty';
    pad.style.backgroundImage = scene?.picture ? `url(data:image/jpeg;base64,${scene.picture})` : '';
    pad.querySelector('span').textContent = scene ? scene.name : '+';
    pad.title = scene ? scene.name : text('emptyPad');
    if (scene) pad.removeAttribute('aria-label');
    else pad.setAttribute('aria-label', `${k + 1} + ${text('emptyPad')}`);
  });
}

$('#save').onclick = () => setSaving(!isSaving);

// ---- show -------------------------------------------------------------------------------------------------------------

const shown = { blackout: false, freeze: false, recording: false };

function onShow(state) {
  Object.assign(shown, state);
  $('#black').setAttribute('aria-pressed', shown.blackout);
  $('#freeze').setAttribute('aria-pressed', shown.freeze);
  $('#record').setAttribute('aria-pressed', shown.recording);
  $('#isBlack').hidden = !shown.blackout;
  $('#isFrozen').hidden = !shown.freeze;
}

const buttons = {
  black: () => order({ blackout: !shown.blackout, fade: fadeSeconds * 1000 }),
  freeze: () => order({ freeze: !shown.freeze }),
  snapshot: () => order({ snapshot: true }),
  record: () => order({ record: !shown.recording }),
};
for (const [id, press] of Object.entries(buttons)) document.getElementById(id).onclick = press;

// ---- keys, MIDI and tempo ---------------------------------------------------------------------------------------------

let isOnBeat = false;
const tempo = new Tempo(() => {
  const dot = $('#beat');
  dot.classList.add('on');
  setTimeout(() => dot.classList.remove('on'), 90);
  $('#tempo').textContent = `${Math.round(tempo.bpm)}`;
});

function press(target) {
  if (target.startsWith('scene ')) playScene(Number(target.slice(6)));
  else document.querySelector(`[data-target="${CSS.escape(target)}"]`)?.click();
}

const learn = new Learn(
  KEPT,
  (target, share, isPress) => {
    const range = ranges.get(target);
    if (range) range.move(share);
    else if (isPress) press(target);
  },
  showBound,
);

function showBound() {
  for (const element of document.querySelectorAll('[data-target]')) {
    const { target } = element.dataset;
    (element.querySelector('label') ?? element).dataset.bound = learn.nameOf(target);
    element.classList.toggle('chosen', learn.chosen === target);
  }
}

async function setLearning(on) {
  document.body.classList.toggle('learning', on);
  $('#learn').setAttribute('aria-pressed', on);
  learn.chosen = undefined;
  showBound();
  if (!on) return say('');
  const problem = await listen();
  say(problem ? `${text('learnKeys')} ${problem}` : text('learnHelp'));
}

let listening;
function listen() {
  listening ??= listenToMidi((data) => {
    if (data[0] === 0xf8) tempo.tick();
    else if (data[0] === 0xfa) tempo.restart();
    else learn.midi(data);
  }).then((problem) => {
    if (problem) listening = undefined;
    return problem;
  });
  return listening;
}

// While one learns, a click chooses a control and does nothing else.
document.addEventListener(
  'click',
  (event) => {
    const chosen = event.target.closest?.('[data-target]');
    if (!document.body.classList.contains('learning') || !chosen) return;
    event.preventDefault();
    event.stopPropagation();
    learn.chosen = learn.chosen === chosen.dataset.target ? undefined : chosen.dataset.target;
    showBound();
    if (learn.chosen) say(text('learnNow'));
  },
  true,
);

const KEYS = { KeyB: 'black', KeyP: 'freeze', KeyS: 'snapshot', KeyR: 'record' };
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
  if (event.target.matches?.('textarea, input:not([type="range"]), select, dialog *')) return;
  const { code } = event;
  if (learn.chosen !== undefined && ['Backspace', 'Delete'].includes(code)) {
    learn.forget(learn.chosen);
    learn.chosen = undefined;
    return showBound();
  }
  if (code === 'Escape') return setLearning(false);
  if (learn.key(code)) return event.preventDefault();
  const digit = /^(?:Digit|Numpad)([1-8])$/.exec(code);
  if (digit) {
    if (event.shiftKey) saveScene(digit[1] - 1);
    else playScene(digit[1] - 1);
  } else if (code in KEYS) press(KEYS[code]);
  else if (code === 'KeyT') tempo.tap();
  else if (code === 'KeyF') toggleFullScreen(say);
  else return;
  event.preventDefault();
});

$('#tap').onclick = () => tempo.tap();
$('#onBeat').onclick = ({ target }) => {
  isOnBeat = !isOnBeat;
  target.setAttribute('aria-pressed', isOnBeat);
};
$('#learn').onclick = () => setLearning(!document.body.classList.contains('learning'));
$('#full').onclick = () => toggleFullScreen(say);
$('#full').hidden = !document.fullscreenEnabled;

// ---- sound ------------------------------------------------------------------------------------------------------------

let meter;

async function toggleSound() {
  if (meter) return meter.stop();
  if (!navigator.mediaDevices) return say(text('soundNeedsHttps'), true);
  const wanted = new SoundMeter(
    (sound) => {
      $('#meter').style.setProperty('--level', sound.level);
      link.order({ sound });
    },
    () => {
      meter = undefined;
      $('#sound').setAttribute('aria-pressed', false);
      $('#meter').hidden = true;
    },
  );
  meter = wanted;
  try {
    await wanted.start();
    $('#sound').setAttribute('aria-pressed', true);
    $('#meter').hidden = false;
  } catch (error) {
    wanted.stop();
    say(text('soundRefused', { reason: error.message }), true);
  }
}

$('#sound').onclick = toggleSound;

// ---- connection -------------------------------------------------------------------------------------------------------

function onNews({ knobs, values, scenes: all, show: state, adapters: names, words, file, gallery, error, n }) {
  if (knobs) bounds = knobs;
  if (names) adapters = names;
  if (knobs || names) buildKnobs();
  if (values) onValues(values);
  if (all) showScenes(all);
  if (state) onShow(state);
  if (words?.known) showKnown(words.known);
  if (words?.report) showChips(words.report);
  if (file) say(text('fileWritten', { file }));
  else if (gallery) say(text('inGallery', { gallery }));
  if (error) say(error.message, true);
  if (n !== undefined) onObeyed(n);
}

const link = new PlayLink(PAGE, {
  onNews,
  onOpen() {
    pending.clear();
    link.login.done();
    document.body.classList.replace('away', 'here');
    $('#state').textContent = '';
  },
  onLost(problem, advice) {
    document.body.classList.replace('here', 'away');
    $('#state').textContent = reconnecting(problem, advice);
  },
});

const canvas = $('canvas');
const painter = new Painter(canvas);
let pictures = 0;
buildPads();
showScenes(Array(8).fill(null));
keepScreenOn();
watchPictures(
  here.replace(/\/play$/, ''),
  async (jpeg, frame) => {
    await painter.show(jpeg);
    document.documentElement.style.setProperty('--ratio', canvas.width / canvas.height);
    pictures++;
    dispatchEvent(new CustomEvent('picture', { detail: frame }));
  },
  () => undefined,
);
setInterval(() => {
  if (document.body.classList.contains('here')) $('#state').textContent = text('rate', { number: pictures });
  pictures = 0;
}, 1000);
