import { EngineError } from '../../../engine/errors';
import { quote } from '../../../engine/util/quote';

/** As people write them, in English and German, from Sunday on. */
const DAYS = ['su|sun|so', 'mo|mon', 'tu|tue|di', 'we|wed|mi', 'th|thu|do', 'fr|fri', 'sa|sat'];
/** Days, and what begins with a number or says that it is closed. */
const RULE = /^(\D*?)\s*(off|closed|\d.*)$/i;
const SPAN = /^(\d{1,2})(?::(\d{2}))?\s*-\s*(\d{1,2})(?::(\d{2}))?$/;
const DAY_MINUTES = 1440;
const LONGEST = 500;
const EXAMPLE = 'such as "Tu-Su 10:00-18:00; Th 10:00-20:00"';

/** Minutes of a day from its midnight on; one that ends on the day after has more than 1440. */
type Span = [from: number, to: number];

/**
 * Opening hours of a week in the time on the wall, as OpenStreetMap writes them: rules apart by `;`, each with days (all without), and times or `off`; a
 * later rule replaces what earlier ones say of its days. `22:00-04:00` ends on the day after. Where summer time begins or ends, a time counts that there
 * is on the wall: one that is left out is an hour later, of one that comes twice the first.
 */
export class OpeningHours {
  private constructor(private readonly week: readonly Span[][]) {}

  /**
   * @returns undefined of an empty text: always open
   * @throws EBADPARAM saying what is wrong with the text
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
      if (times === undefined) throw refused(`${quote(rule.trim())} says no time`);
      const spans = readTimes(times, refused);
      for (const day of days ? readDays(days, refused) : week.keys()) week[day] = spans;
    }
    return new OpeningHours(week);
  }

  /** @param at ms since 1970 */
  isOpen(at: number): boolean {
    return [-1, 0].some((day) => this.spansOf(at, day).some(([from, to]) => from <= at && at < to));
  }

  /** When it next opens or closes after that moment; undefined when it never does. */
  nextChange(at: number): number | undefined {
    const isOpen = this.isOpen(at);
    const edges = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap((day) => this.spansOf(at, day).flat()).filter((edge) => edge > at);
    return edges.sort((a, b) => a - b).find((edge) => this.isOpen(edge) !== isOpen);
  }

  /** When it next opens after that moment, having been closed before. */
  nextOpening(at: number): number | undefined {
    const change = this.nextChange(at);
    return change === undefined || this.isOpen(change) ? change : this.nextChange(change);
  }

  /** The spans that begin so many days after the day of that moment, in ms since 1970. */
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
      if (more.length > 0) throw refused(`${quote(part)} has more than a first and a last day; days are apart by ","`);
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
