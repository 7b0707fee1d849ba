/** A piece of a prompt and its weight: 1 is as written. */
export interface PromptPart {
  text: string;
  weight: number;
}

/** The most characters of a weight, spaces included. */
const LONGEST_NUMBER = 40;
/** The weight before a closing parenthesis: `:1.2`. */
const WEIGHT = /:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$/;

/**
 * Reads `(word:1.2)`: the text in the parentheses counts 1.2 times. Weights may be nested, and then multiply. Parentheses
 * without a number are text; `\(` and `\)` always are.
 *
 * A prompt without weights comes back as one piece.
 */
export function parsePromptWeights(prompt: string): PromptPart[] {
  const parts: PromptPart[] = [];
  read(prompt, 1, parts);
  return parts.length > 0 ? parts : [{ text: '', weight: 1 }];
}

function read(text: string, weight: number, parts: PromptPart[]): void {
  const closing = closings(text);
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (isEscaped(text, at)) at++;
    else if (text[at] === '(') {
      const end = closing.get(at);
      const inside = text.slice(at + 1, end);
      const given = end === undefined ? null : WEIGHT.exec(inside.slice(-LONGEST_NUMBER));
      if (!given || end === undefined) continue;
      add(text.slice(from, at), weight, parts);
      read(inside.slice(0, inside.length - given[0].length), weight * Number(given[1]), parts);
      at = end;
      from = end + 1;
    }
  }
  add(text.slice(from), weight, parts);
}

/** Pieces of equal weight stay together, so that a prompt splits into words as if its parentheses were not there. */
function add(text: string, weight: number, parts: PromptPart[]): void {
  if (text === '') return;
  const plain = text.replace(/\\([()])/g, '$1');
  const last = parts.at(-1);
  if (last?.weight === weight) last.text += plain;
  else parts.push({ text: plain, weight });
}

function isEscaped(text: string, at: number): boolean {
  return text[at] === '\\' && (text[at + 1] === '(' || text[at + 1] === ')');
}

/** The position of each closing parenthesis, by that of the opening one. */
function closings(text: string): Map<number, number> {
  const open: number[] = [];
  const closed = new Map<number, number>();
  for (let at = 0; at < text.length; at++) {
    if (isEscaped(text, at)) at++;
    else if (text[at] === '(') open.push(at);
    else if (text[at] === ')' && open.length > 0) closed.set(open.pop() as number, at);
  }
  return closed;
}
