import { EngineError } from '../../../engine/errors';
import { quote } from '../../../engine/util/quote';

/** The names of days in English and German, from Sunday. */
const DAYS = ['su|sun|so', 'mo|mon', 'tu|tue|di', 'we|wed|mi', 'th|thu|do', 'fr|fri', 'sa|sat'];
/** A rule: days, then times, `off` or `closed`. */
const RULE = /^(\D*?)\s*(off|closed|\d.*)$/i;
const SPAN = /^(\d{1,2})(?::(\d{2}))?\s*-\s*(\d{1,2})(?::(\d{2}))?$/;
const DAY_MINUTES = 1440;
const LONGEST = 500;
const EXAMPLE = 'such as "Tu-Su 10:00-18:00; Th 10:00-20:00"';

/** Minutes since midnight; a span that ends on the next day has more than 1440. */
type Span = [from: number, to: number];

/**
 * Opening hours of a week in local time, in OpenStreetMap's syntax: rules separated by `;`, each with days (none means all) and
 * with times or `off`. A later rule replaces earlier ones for its days. `22:00-04:00` ends on the next day. When daylight saving
 * time begins, a time that is skipped is an hour later; when it ends, the first of two equal times counts.
 */
export class OpeningHours {
  private constructor(private readonly week: readonly Span[][]) {}

  /**
   * @returns undefined for an empty text, which means always open
   * @throws EBADPARAM that says what is wrong with the text
   */
  static read(text: string, field: string): OpeningHours | undefined {
    if (text.trim() === '') return undefined;
    const refused = (what: string): EngineError => new EngineError('EBADPARAM', `${field} must be opening hours ${EXAMPLE}: ${what}`);
    if (text.length > LONGEST) throw refused(`the text has ${text.length} characters, of at most ${LONGEST}`);
    const week: Span[][] = DAYS.map(() => []);
    const rules = text
      .replace(/[–—]/g, '-')
      .split(';')
      .filter((rule) => rule.trim() !== '');
    for (const rule of rules) {
      const [, days, times] = RULE.exec(rule.trim()) ?? [];
      if (times === undefined) throw refused(`${quote(rule.trim())} has no times`);
      const spans = readTimes(times, refused);
      for (const day of days ? readDays(days, refused) : week.keys()) week[day] = spans;
    }
    return new OpeningHours(week);
  }

  /** @param at ms since 1970 */
  isOpen(at: number): boolean {
    return [-1, 0].some((day) => this.spansOf(at, day).some(([from, to]) => from <= at && at < to));
  }

  /** The next time after `at` when it opens or closes; undefined when there is none. */
  nextChange(at: number): number | undefined {
    const isOpen = this.isOpen(at);
    const edges = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap((day) => this.spansOf(at, day).flat()).filter((edge) => edge > at);
    return edges.sort((a, b) => a - b).find((edge) => this.isOpen(edge) !== isOpen);
  }

  /** The next time after `at` when it opens. */
  nextOpening(at: number): number | undefined {
    const change = this.nextChange(at);
    return change === undefined || this.isOpen(change) ? change : this.nextChange(change);
  }

  /** The spans that begin `days` after the day of `at`, in ms since 1970. */
  private spansOf(at: number, days: number): Span[] {
    const day = new Date(at);
    const midnight = new Date(day.getFullYear(), day.getMonth(), day.getDate() + days);
    const time = (minutes: number): number =>
      new Date(midnight.getFullYear(), midnight.getMonth(), midnight.getDate(), 0, minutes).getTime();
    return this.week[midnight.getDay()].map(([from, to]) => [time(from), time(to)]);
  }
}

function readDays(text: string, refused: (what: string) => EngineError): number[] {
  const dayOf = (name: string): number => {
    const day = DAYS.findIndex((names) => names.split('|').includes(name.trim().toLowerCase()));
    if (day < 0) throw refused(`there is no day ${quote(name.trim())}; the days are Mo Tu We Th Fr Sa Su`);
    return day;
  };
  return text
    .trim()
    .split(/\s*,\s*|(?<!-)\s+(?!-)/)
    .filter(Boolean)
    .flatMap((part) => {
      const [first, last = first, ...more] = part.split('-').map(dayOf);
      if (more.length > 0) throw refused(`${quote(part)} has more than a first and a last day; separate days by ","`);
      return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, k) => (first + k) % 7);
    });
}

function readTimes(text: string, refused: (what: string) => EngineError): Span[] {
  const times = text.trim();
  if (times === '24/7') return [[0, DAY_MINUTES]];
  if (/^(off|closed)$/i.test(times)) return [];
  return times.split(',').map((part) => {
    const [, ...numbers] = SPAN.exec(part.trim()) ?? [];
    if (numbers.length === 0) throw refused(`${quote(part.trim())} is neither "off" nor hours such as 10:00-18:00`);
    const [fromHour, fromMinute, toHour, toMinute] = numbers.map((number) => Number(number ?? 0));
    const [from, to] = [60 * fromHour + fromMinute, 60 * toHour + toMinute];
    if (Math.max(from, to) > DAY_MINUTES || Math.max(fromMinute, toMinute) > 59)
      throw refused(`${quote(part.trim())} is not a time of day`);
    if (from === to) throw refused(`${quote(part.trim())} lasts no time; a whole day is 00:00-24:00`);
    return from < to ? [from, to] : [from, to + DAY_MINUTES];
  });
}
