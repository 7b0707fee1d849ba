'use strict';

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

/** Removes a word from the prompt, or appends it. */
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
