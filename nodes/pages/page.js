'use strict';

/** The functions that the scripts of every page share. */

const TEXTS = JSON.parse(document.getElementById('texts').textContent);

/** A text of the page in the visitor's language, with its values: `text('sent', { number: 12 })`. */
function text(key, values = {}) {
  return TEXTS[key].replace(/__(\w+)__/g, (_, name) => values[name] ?? '');
}

const $ = (selector) => document.querySelector(selector);

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** The page's address, which may have been opened with or without a trailing slash. */
const here = location.origin + location.pathname.replace(/\/+$/, '');

/** A value that this browser has stored as JSON; undefined where there is none. */
function recall(key, storage = 'localStorage') {
  // A browser without storage throws.
  try {
    return JSON.parse(window[storage].getItem(key)) ?? undefined;
  } catch {
    return undefined;
  }
}

function keep(key, value, storage = 'localStorage') {
  try {
    window[storage].setItem(key, JSON.stringify(value));
  } catch {
    // The value is not kept then.
  }
}

/** @param {(reason: string) => void} onRefused called with the reason when the browser refuses */
function toggleFullScreen(onRefused) {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen({ navigationUI: 'hide' }).catch((error) => onRefused(error.message));
}

/** The words that a model knows, in the page's language, or in English if that has none. */
function wordsFor({ list, others }) {
  // The list itself is English, so English alternatives are not needed.
  const { lang } = document.documentElement;
  const own = lang === 'en' ? [] : (others[lang] ?? []);
  return own.length > 0 ? { words: own, language: lang } : { words: list, language: 'en' };
}
