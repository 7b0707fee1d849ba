'use strict';

/** Under which what this page remembers is kept in the browser. */
const KEPT = `streamdiffusion play ${PAGE.name}`;
/** A setting goes to the server no more often than that, ms. */
const SEND_MS = 40;

// What the server says, and what this page has set since.

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
