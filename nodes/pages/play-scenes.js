'use strict';

/** Pressing a pad for this long saves a scene, ms. */
const LONG_MS = 600;

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
