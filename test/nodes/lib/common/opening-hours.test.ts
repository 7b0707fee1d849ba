import assert from 'node:assert/strict';
import { Opening } from '../../../../nodes/lib/common/opening';
import { OpeningHours } from '../../../../nodes/lib/common/opening-hours';
import { until } from '../../../lib/until';

const read = (text: string): OpeningHours => OpeningHours.read(text, 'hours')!;
/** A time on the wall as ms since 1970. 2026-11-29 is a Sunday. */
const at = (text: string): number => new Date(text.replace(' ', 'T')).getTime();
const wall = (time: number | undefined): string | undefined => {
  if (time === undefined) return undefined;
  const date = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
};

describe('opening hours', () => {
  const zone = process.env.TZ;
  before(() => (process.env.TZ = 'Europe/Berlin'));
  after(() => {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  });

  const WEEKS: Record<string, [when: string, isOpen: boolean, changes: string | undefined][]> = {
    '10:00-18:00': [
      ['2026-11-29 09:59', false, '2026-11-29 10:00'],
      ['2026-11-29 10:00', true, '2026-11-29 18:00'],
      ['2026-11-29 18:00', false, '2026-11-30 10:00'],
    ],
    'Tu-Su 10:00-18:00; Th 10:00-20:00': [
      ['2026-11-29 18:00', false, '2026-12-01 10:00'],
      ['2026-11-30 12:00', false, '2026-12-01 10:00'],
      ['2026-12-03 19:00', true, '2026-12-03 20:00'],
      ['2026-12-04 19:00', false, '2026-12-05 10:00'],
    ],
    'Di–So 10–18; Mo off': [
      ['2026-12-01 17:59', true, '2026-12-01 18:00'],
      ['2026-11-30 12:00', false, '2026-12-01 10:00'],
    ],
    'Fr, Sa 22:00-04:00': [
      ['2026-11-28 03:59', true, '2026-11-28 04:00'],
      ['2026-11-28 04:00', false, '2026-11-28 22:00'],
      ['2026-11-29 03:00', true, '2026-11-29 04:00'],
      ['2026-11-27 03:00', false, '2026-11-27 22:00'],
      ['2026-11-29 05:00', false, '2026-12-04 22:00'],
    ],
    'mo-fr 08:00-12:00, 13:30-17:00; sa,su closed': [
      ['2026-11-30 12:30', false, '2026-11-30 13:30'],
      ['2026-11-27 17:00', false, '2026-11-30 08:00'],
    ],
    'Sa-Mo 00:00-24:00': [
      ['2026-11-29 00:00', true, '2026-12-01 00:00'],
      ['2026-12-04 23:59', false, '2026-12-05 00:00'],
    ],
    '24/7': [['2026-11-29 03:00', true, undefined]],
    off: [['2026-11-29 12:00', false, undefined]],
    'Mon-Sun 18:00-10:00': [
      ['2026-11-29 09:00', true, '2026-11-29 10:00'],
      ['2026-11-29 23:00', true, '2026-11-30 10:00'],
    ],
  };
  for (const [text, cases] of Object.entries(WEEKS)) {
    it(text, () => {
      for (const [when, isOpen, changes] of cases) {
        assert.equal(read(text).isOpen(at(when)), isOpen, `${when} is open`);
        assert.equal(wall(read(text).nextChange(at(when))), changes, `after ${when}`);
      }
    });
  }

  it('go by the time on the wall, also where summer time begins and ends', () => {
    // On 2026-03-29 there is no 02:30 in Berlin, on 2026-10-25 there are two.
    const night = read('22:00-06:00');
    assert.equal((night.nextChange(at('2026-03-28 22:00'))! - at('2026-03-28 22:00')) / 3_600_000, 7);
    assert.equal((night.nextChange(at('2026-10-24 22:00'))! - at('2026-10-24 22:00')) / 3_600_000, 9);
    assert.equal(wall(read('02:30-12:00').nextChange(at('2026-03-29 01:00'))), '2026-03-29 03:30');
    assert.equal(read('02:30-03:00').isOpen(at('2026-03-29 03:10')), false);
    assert.equal(wall(read('02:30-03:00').nextChange(at('2026-03-29 00:00'))), '2026-03-30 02:30');
    const twice = read('02:30-12:00');
    assert.equal(twice.nextChange(Date.parse('2026-10-25T00:00:00Z')), Date.parse('2026-10-25T00:30:00Z'), 'the first one');
    assert.equal(twice.isOpen(Date.parse('2026-10-25T01:15:00Z')), true, 'and it stays open');
    for (let hour = 0; hour < 24 * 8; hour++) {
      const time = Date.parse('2026-10-22T00:00:00Z') + hour * 3_600_000;
      const change = read('10:00-18:00').nextChange(time)!;
      assert.match(wall(change)!, / (10|18):00$/);
      assert.ok(change - time <= 17 * 3_600_000);
    }
  });

  it('are always open where nothing is said', () => {
    for (const text of ['', '  ']) assert.equal(OpeningHours.read(text, 'hours'), undefined);
  });

  it('say what is wrong with a text', () => {
    for (const [text, sentence] of [
      ['always', /"always" has no times/],
      ['10:00', /"10:00" is neither "off" nor hours/],
      ['10:00-18:00; Th', /"Th" has no times/],
      ['Xy 10:00-18:00', /no day "Xy".*Mo Tu We/],
      ['Mo-Xy 10:00-18:00', /no day "Xy"/],
      ['Mo-We-Fr 10:00-18:00', /"Mo-We-Fr" has more than a first and a last day/],
      ['Sa, Mo – We – Fr 10:00-18:00', /"Mo - We - Fr" has more than a first and a last day/],
      ['10:00-25:00', /not a time of day/],
      ['10:75-18:00', /not a time of day/],
      ['10:00-10:00', /lasts no time; a whole day is 00:00-24:00/],
      ['PH off', /no day "PH"/],
      ['10:00-12:00,', /"" is neither/],
      ['x'.repeat(501), /501 characters/],
    ] as const) {
      assert.throws(
        () => OpeningHours.read(text, 'hours'),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'EBADPARAM', text);
          assert.match(error.message, /^hours must be opening hours such as/);
          assert.match(error.message, sentence);
          return true;
        },
      );
    }
  });

  it('are overridden by a message until they next open', async () => {
    let now = at('2026-12-01 17:55');
    const changes: boolean[] = [];
    const opening = new Opening(
      read('10:00-18:00'),
      (isOpen) => changes.push(isOpen),
      () => now,
    );
    try {
      assert.equal(wall(opening.opens), '2026-12-02 10:00');
      opening.obey({ hours: 'open' } as never);
      now = at('2026-12-01 23:00');
      assert.equal(opening.isOpen, true, 'a long evening');
      now = at('2026-12-02 18:00');
      assert.equal(opening.isOpen, false, 'and the next day as ever');
      await until(() => changes.length === 1);
      now = at('2026-12-03 12:00');
      await until(() => changes.length === 2);
      opening.obey({ hours: 'closed' } as never);
      assert.deepEqual(changes, [false, true, false], 'told at once');
      now = at('2026-12-03 17:00');
      assert.equal(opening.isOpen, false);
      opening.obey({ hours: 'auto' } as never);
      assert.equal(opening.isOpen, true);
      opening.obey({ hours: 'closed' } as never);
      now = at('2026-12-04 10:00');
      assert.equal(opening.isOpen, true);
      assert.throws(() => opening.obey({ hours: 7 } as never), { code: 'EBADPARAM', message: /msg\.hours/ });
    } finally {
      opening.close();
    }
  });
});
