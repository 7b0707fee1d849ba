/** The options of Node.js that are followed by a program's text. */
const EVAL = ['-e', '--eval', '-p', '--print', '-pe'];

/** A process's options of Node.js for its child: without an inspector's port, and without a program that would run instead of the child's own. */
export function childOptions(options: readonly string[]): string[] {
  return options.filter((option, k) => !option.startsWith('--inspect') && !EVAL.includes(option) && !EVAL.includes(options[k - 1]));
}
