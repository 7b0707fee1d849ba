'use strict';
const RESULT = '{{result}}';
const SCREEN = 'screen';
const KEPT = 'streamdiffusion camera {{name}}';
const SIZES = ['256 × 256', '384 × 384', '512 × 512', '640 × 480', '768 × 768', '1280 × 720'];

const video = $('video');
const canvas = $('canvas');
const grabber = window.OffscreenCanvas && new Grabber(video, startWorker($('#encoder').textContent), () => pump());
const painter = new Painter(canvas);
/** The choices, kept for the next visit; the address may set them: ?start=camera, ?start=screen, ?mirror, ?size=512x512 */
const choice = { what: '', mirror: false, size: '', ...recall(KEPT) };

let format = { width: Number('{{width}}'), height: Number('{{height}}'), fps: 25 };
let stream;
let uplink;
let wish = 0;

// ---- sending -------------------------------------------------------------------------------------------------------

let due = 0;
let isGrabbing = false;
let sentFrames = 0;
/** Times of the pictures that were sent, by which the result shows whose they are. */
const sentTimes = new Set();
const ages = [];
let ownResults = 0;

function sizeNow() {
  const [width, height] = choice.size.split(' × ').map(Number);
  return width && height ? { width, height } : format;
}

async function pump() {
  const now = performance.now();
  if (isGrabbing || !uplink?.isReady || now < due) return;
  isGrabbing = true;
  try {
    const { width, height } = sizeNow();
    const picture = await grabber.grab(width, height, choice.mirror);
    if (!picture || !uplink?.isReady) return;
    const timestamp = uplink.serverTime(picture.takenAt);
    sentTimes.add(timestamp);
    if (sentTimes.size > 200) sentTimes.delete(sentTimes.values().next().value);
    uplink.send(picture.jpeg, timestamp);
    sentFrames++;
    due = Math.max(due + 1000 / pace, now);
  } finally {
    isGrabbing = false;
  }
}

/** Pictures per second: no more than the flow takes, and at most twice as many as come back denoised, so that a phone does no needless work. */
let pace = 25;
function setPace(ownPerSecond) {
  const useful = ownPerSecond > 0 ? Math.max(10, 2 * ownPerSecond) : format.fps;
  pace = Math.min(format.fps, useful);
}

// ---- camera and screen --------------------------------------------------------------------------------------------

function ask(what) {
  if (what === SCREEN) return navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 30 }, audio: false });
  const device = what ? { deviceId: { exact: what } } : { facingMode: 'user' };
  // The camera's size is close to the size that is sent: larger pictures would be needless work for a phone.
  const { width, height } = sizeNow();
  const [w, h] = width <= 640 && height <= 480 ? [640, 480] : [Math.max(1280, width), Math.max(720, height)];
  return navigator.mediaDevices.getUserMedia({
    video: { ...device, width: { ideal: w }, height: { ideal: h }, frameRate: { ideal: 30 } },
    audio: false,
  });
}

async function open() {
  const mine = ++wish;
  say();
  try {
    const opened = await ask(choice.what);
    if (mine !== wish) return opened.getTracks().forEach((track) => track.stop());
    release();
    stream = opened;
  } catch (error) {
    if (mine !== wish) return;
    if (choice.what && choice.what !== SCREEN && error.name === 'OverconstrainedError') {
      // The camera of the last visit is missing: any other is taken.
      choose({ what: '' });
      return open();
    }
    stop();
    return say(...explain(error));
  }
  video.srcObject = stream;
  video.play().catch(() => undefined);
  stream.getVideoTracks()[0].onended = () => onEnded(mine);
  document.body.classList.add('sending');
  $('#start').textContent = text('stop');
  await listCameras();
  uplink ??= new Uplink(here, {
    onState: (problem, advice) => say(advice && problem, advice ?? problem),
    onFormat: ({ width, height, fps }) => {
      format = { width, height, fps };
      setPace(0);
    },
    onReady: pump,
    onTakenOver: () => {
      stop();
      say(text('takenOver'), text('takenOverHelp'));
    },
  });
}

/** Screen sharing is ended on purpose; a camera may only have been unplugged, so it is waited for. */
function onEnded(mine) {
  if (mine !== wish) return;
  if (choice.what === SCREEN) return stop();
  say(text('gone'), text('goneHelp'));
  const again = setInterval(async () => {
    if (mine !== wish) return clearInterval(again);
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (mine !== wish || !devices.some(({ kind }) => kind === 'videoinput')) return;
    clearInterval(again);
    open();
  }, 3000);
}

function release() {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
  stream = undefined;
}

function stop() {
  wish++;
  release();
  uplink?.end();
  uplink = undefined;
  video.srcObject = null;
  document.body.classList.remove('sending');
  $('#start').textContent = text('start');
  $('#numbers').textContent = '';
}

// ---- the page -----------------------------------------------------------------------------------------------------

function say(title = '', explanation = '') {
  const message = $('#message');
  const strong = document.createElement('strong');
  strong.textContent = title;
  message.replaceChildren(...(title ? [strong] : []), explanation);
  message.classList.toggle('shown', Boolean(title || explanation));
}

function choose(change) {
  Object.assign(choice, change);
  keep(KEPT, choice);
  document.body.classList.toggle('mirror', choice.mirror);
  $('#mirror').setAttribute('aria-pressed', choice.mirror);
  const { width, height } = sizeNow();
  $('#mine').style.setProperty('--ratio', width / height);
}

/** Lists cameras. Browsers tell their names only after one was allowed. */
async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const cameras = devices.filter(({ kind, deviceId }) => kind === 'videoinput' && deviceId);
  const options = [
    ['', text('camera')],
    ...cameras.map(({ deviceId, label }, k) => [
      deviceId,
      label.replace(/ \([0-9a-f]{4}:[0-9a-f]{4}\)$/, '') || text('cameraNumber', { number: k + 1 }),
    ]),
  ];
  if (navigator.mediaDevices.getDisplayMedia) options.push([SCREEN, text('screen')]);
  $('#what').replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  if (!options.some(([value]) => value === choice.what)) choice.what = '';
  $('#what').value = choice.what;
}

async function showResult(jpeg, frame) {
  await painter.show(jpeg);
  $('#result').style.setProperty('--ratio', canvas.width / canvas.height);
  canvas.classList.add('live');
  if (uplink && sentTimes.has(frame?.timestamp)) {
    ownResults++;
    ages.push(uplink.serverTime(performance.now()) - frame.timestamp);
  }
  dispatchEvent(new CustomEvent('picture', { detail: frame }));
}

setInterval(() => {
  setPace(ownResults);
  if (uplink) {
    const age = ages.sort((a, b) => a - b)[Math.floor(ages.length / 2)];
    const size = sizeNow();
    // The most important number comes first: a phone may have no room for the rest.
    const parts = [text('sent', { number: sentFrames }), `${size.width} × ${size.height}`];
    if (age !== undefined) parts.unshift(text('age', { ms: Math.round(age) }), text('painted', { number: ownResults }));
    $('#numbers').textContent = parts.join(' · ');
  }
  ages.length = ownResults = sentFrames = 0;
}, 1000);

// ---- start --------------------------------------------------------------------------------------------------------

const asked = new URLSearchParams(location.search);
$('#size').replaceChildren(
  new Option(text('flowSize', { size: `${format.width} × ${format.height}` }), ''),
  ...SIZES.map((size) => new Option(size, size)),
);
choose({
  ...(asked.has('mirror') && { mirror: !['0', 'false', 'no'].includes(asked.get('mirror')) }),
  ...(asked.has('size') && { size: asked.get('size').replace(/\s*[x×]\s*/, ' × ') }),
  ...(asked.has('start') && { what: asked.get('start') === SCREEN ? SCREEN : '' }),
});
$('#size').value = SIZES.includes(choice.size) ? choice.size : '';
$('#start').onclick = () => (document.body.classList.contains('sending') ? stop() : open());
$('#mirror').onclick = () => choose({ mirror: !choice.mirror });
$('#size').onchange = ({ target }) => {
  choose({ size: target.value });
  if (document.body.classList.contains('sending') && choice.what !== SCREEN) open();
};
$('#what').onchange = ({ target }) => {
  choose({ what: target.value });
  if (document.body.classList.contains('sending')) open();
};

if (RESULT) {
  const address = new URL(`../${RESULT}`, here).href;
  $('#result a').href = address;
  watchPictures(address, showResult, () => undefined);
} else {
  $('#result').hidden = true;
}

const problem = obstacle();
if (problem) {
  say(...problem);
  for (const control of document.querySelectorAll('footer > *')) control.disabled = true;
} else {
  startTicks(60, pump);
  listCameras();
  navigator.mediaDevices.addEventListener?.('devicechange', listCameras);
  keepScreenOn();
  if (asked.has('start')) open();
}
