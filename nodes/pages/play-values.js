'use strict';

/** The key of this page's data in the browser's storage. */
const KEPT = `streamdiffusion play ${PAGE.name}`;
/** The shortest interval between two messages with settings, ms. */
const SEND_MS = 40;

// The server's values, and those that this page has set since.

/** The server's newest values, by control: `prompt`, `knob strength`, `weight NAME`. */
const latest = new Map();
/** By control, the number of the last order that was not obeyed yet; Infinity while it waits to be sent. */
const pending = new Map();
/** The controls that are being used. */
const held = new Set();
/** By control, a function that shows its value. */
const shows = new Map();
let unsent;
let lastSent = -Infinity;

/** Ignores a value from the server while a newer one of this page is on its way, since it would move the control back for a moment. */
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

/** Sends an order after pending settings: a scene that is saved includes them, one that is played replaces them. */
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
