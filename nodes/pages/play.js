'use strict';

let hide;
function say(words, isBad = false) {
  const box = $('#say');
  box.textContent = words;
  box.classList.toggle('bad', isBad);
  box.hidden = words === '';
  clearTimeout(hide);
  hide = setTimeout(() => (box.hidden = true), 6000);
}

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
  setKnobs(knobs, names);
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
    canvas.classList.add('live');
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
