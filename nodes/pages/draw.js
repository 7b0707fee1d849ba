'use strict';

/** Colours that a model of landscapes recognises. */
const COLOURS = {
  sky: '#7ac0f8',
  sun: '#ffe27a',
  sea: '#1a70b0',
  hill: '#62b44e',
  mountain: '#62708f',
  forest: '#28744a',
  sand: '#f4d89a',
  house: '#b64e3a',
  snow: '#f4f9fe',
  night: '#141e52',
};
/** The widths of a pen's stroke are rounded to steps, so that not every point needs a line of its own. */
const WIDTH_STEPS = 8;
/** The most points in one message. */
const MOST_NUMBERS = 1200;

const choice = { colour: COLOURS.hill, size: 6, mirror: false, erase: false, ...recall(KEPT) };
const canvas = $('#sheet');
const sheet = new SharedSheet(canvas);

function choose(change) {
  Object.assign(choice, change);
  keep(KEPT, choice);
  for (const button of $('#colours').children)
    button.setAttribute('aria-pressed', !choice.erase && button.dataset.colour === choice.colour);
  $('#eraser').setAttribute('aria-pressed', choice.erase);
  $('#mirror').setAttribute('aria-pressed', choice.mirror);
  $('#size input').value = choice.size;
  $('#dot').style.setProperty('--dot', `${Math.max(1, Math.min(16, choice.size * 0.75))}px`);
}

// ---- strokes ----------------------------------------------------------------------------------------------------------

/** This page's number among the visitors, once the server has sent it. */
let you;
let count = 0;
/** The current strokes by pointer; several fingers draw several strokes. */
const drawing = new Map();

/** A point on the sheet with the width there, which depends on a pen's pressure. */
function pointOf({ clientX, clientY, pointerType, pressure }) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const press = pointerType === 'pen' && pressure > 0 ? Math.max(1, Math.round(pressure * WIDTH_STEPS)) / WIDTH_STEPS : 0.5;
  const whole = (share) => Math.round(share * UNITS);
  return [whole((clientX - left) / width), whole((clientY - top) / height), whole((choice.size / 100) * 2 * press)];
}

canvas.onpointerdown = (event) => {
  if (event.button !== 0 || you === undefined) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  const number = ++count;
  const colour = choice.erase ? sheet.paper : choice.colour;
  const stroke = { key: `${you} ${number}`, number, colour, mirror: choice.mirror, points: pointOf(event), sent: 0 };
  drawing.set(event.pointerId, stroke);
  sheet.addOwn(stroke);
  sendSoon();
};

canvas.onpointermove = (event) => {
  const stroke = drawing.get(event.pointerId);
  if (!stroke) return;
  // A pen reports several points per animation frame.
  const events = event.getCoalescedEvents?.() ?? [];
  for (const each of events.length > 0 ? events : [event]) {
    const [x, y, width] = pointOf(each);
    const [lastX, lastY] = stroke.points.slice(-3);
    if (Math.hypot(x - lastX, y - lastY) >= 15) stroke.points.push(x, y, width);
  }
  sheet.drawSoon();
  sendSoon();
};

for (const kind of ['pointerup', 'pointercancel'])
  canvas.addEventListener(kind, ({ pointerId }) => {
    send();
    drawing.delete(pointerId);
  });

let sending;
function sendSoon() {
  sending ??= requestAnimationFrame(send);
}

/** Sends the points that were drawn since the last message. */
function send() {
  cancelAnimationFrame(sending);
  sending = undefined;
  for (const stroke of drawing.values()) {
    while (stroke.sent < stroke.points.length) {
      const points = stroke.points.slice(stroke.sent, stroke.sent + MOST_NUMBERS);
      const { number, colour, mirror } = stroke;
      const isFirst = stroke.sent === 0;
      if (
        !link.send(isFirst ? { begin: number, colour: colour === sheet.paper ? null : colour, mirror, points } : { stroke: number, points })
      )
        return;
      stroke.sent += points.length;
    }
  }
}

/** Sends an order after the strokes that were drawn before it, which it may undo or cover. */
function order(wanted) {
  send();
  link.send(wanted);
}

// ---- connection -------------------------------------------------------------------------------------------------------

const link = new Link(here, {
  onNews: hear,
  onPicture: (jpeg) => sheet.setBelow(jpeg),
  onClose() {
    you = undefined;
    drawing.clear();
    sheet.forgetOwn();
    document.body.classList.remove('here');
  },
  onLost(problem, advice) {
    $('#state').textContent = reconnecting(problem, advice);
  },
});

function hear({ you: number, width, height, visitors, running, events, ...content }) {
  if (number !== undefined) {
    you = number;
    document.documentElement.style.setProperty('--ratio', width / height);
    document.body.classList.add('here');
    resize();
    sheet.replace(content);
    isRunning = running;
  }
  if (events) sheet.take(events);
  $('#state').textContent = isRunning ? (visitors > 1 ? text('together', { number: visitors }) : '') : text('stopped');
}
let isRunning = true;

/** Gives the canvas the resolution of the screen. */
function resize() {
  const { width, height } = canvas.getBoundingClientRect();
  const density = Math.min(devicePixelRatio, 2);
  const wanted = { width: Math.max(1, Math.round(width * density)), height: Math.max(1, Math.round(height * density)) };
  if (canvas.width !== wanted.width || canvas.height !== wanted.height) Object.assign(canvas, wanted);
  sheet.drawSoon();
}

// ---- begin ------------------------------------------------------------------------------------------------------------

for (const [name, colour] of Object.entries(COLOURS)) {
  const button = document.createElement('button');
  const dot = document.createElement('i');
  button.dataset.colour = colour;
  button.style.setProperty('--colour', colour);
  button.append(dot, text(`colour_${name}`));
  button.onclick = () => choose({ colour, erase: false });
  $('#colours').append(button);
}
$('#eraser').onclick = () => choose({ erase: !choice.erase });
$('#mirror').onclick = () => choose({ mirror: !choice.mirror });
$('#size input').oninput = ({ target }) => choose({ size: Number(target.value) });
$('#undo').onclick = () => order({ undo: true });
$('#clear').onclick = () => order({ clear: ++count });
addEventListener('keydown', (event) => {
  if ((event.ctrlKey || event.metaKey) && event.code === 'KeyZ') {
    event.preventDefault();
    order({ undo: true });
  } else if (!event.ctrlKey && !event.metaKey && event.code === 'KeyE') choose({ erase: !choice.erase });
});
new ResizeObserver(resize).observe(canvas);
choose({});
keepScreenOn();

$('#result').hidden = RESULT === '';
if (RESULT !== '') {
  const picture = $('#picture');
  const painter = new Painter(picture);
  watchPictures(
    here.replace(/[^/]+\/draw$/, RESULT),
    async (jpeg, frame) => {
      await painter.show(jpeg);
      document.documentElement.style.setProperty('--result', picture.width / picture.height);
      picture.classList.add('live');
      dispatchEvent(new CustomEvent('picture', { detail: frame }));
    },
    () => undefined,
  );
}
