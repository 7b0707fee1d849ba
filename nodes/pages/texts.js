'use strict';

const TEXTS = JSON.parse(document.getElementById('texts').textContent);

/** A text of the page in the visitor's language, with its values: `text('sent', { number: 12 })`. */
function text(key, values = {}) {
  return TEXTS[key].replace(/__(\w+)__/g, (_, name) => values[name] ?? '');
}
