/**
 * The local time in a form for file names: `2026-11-29 18-30-05`.
 *
 * @param at ms since 1970
 * @param withMs whether milliseconds follow, as in `2026-11-29 18-30-05.250`
 */
export function wallTime(at: number, withMs = false): string {
  const shifted = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return shifted
    .toISOString()
    .slice(0, withMs ? 23 : 19)
    .replace('T', ' ')
    .replaceAll(':', '-');
}
