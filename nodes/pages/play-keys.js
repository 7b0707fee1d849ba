'use strict';

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

// While learning, a click only chooses a control.
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
