'use strict';

/** What the scripts of every page build on. */

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

/** The page's address, which a visitor may have opened with or without a slash at its end. */
const here = location.origin + location.pathname.replace(/\/+$/, '');

/** What this browser has kept, as JSON; undefined where there is nothing. */
function recall(key, storage = 'localStorage') {
  // A browser that keeps nothing throws when it is asked.
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
    // It is chosen anew next time.
  }
}

/** @param {(reason: string) => void} onRefused told why the browser does not */
function toggleFullScreen(onRefused) {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen({ navigationUI: 'hide' }).catch((error) => onRefused(error.message));
}

/** The words that a model knows, in the page's language; in English where it has none of its own. */
function wordsFor({ list, others }) {
  // The list is English; what stands for its words in English is not needed.
  const { lang } = document.documentElement;
  const own = lang === 'en' ? [] : (others[lang] ?? []);
  return own.length > 0 ? { words: own, language: lang } : { words: list, language: 'en' };
}
