import assert from 'node:assert/strict';
import { booleanSetting, choiceSetting, numberSetting, readSetting, type Setting } from '../../../engine/util/setting';

const refused = (setting: Setting<unknown>, value: unknown, message: RegExp): void =>
  assert.throws(() => readSetting(setting, 'size', value), { code: 'EBADPARAM', message });

describe('setting', () => {
  it('takes numbers, and texts that are wholly one, as dialogs save them', () => {
    const whole = numberSetting(3, { min: 1, max: 8, integer: true });
    for (const value of [1, 8, '8', ' 2 ', '0x2', '4e0']) assert.equal(readSetting(whole, 'size', value), Number(value));
    for (const value of [0, 9, 1.5, NaN, '', ' ', '2px', null, undefined, true, [2], {}, 2n])
      refused(whole, value, /^size must be a whole number from 1 to 8; got /);
    refused(numberSetting(0), Infinity, /a finite number; got Infinity/);
    refused(numberSetting(0, { min: 2 }), 1, /a number, 2 or more; got 1/);
    refused(numberSetting(0), '1'.repeat(10_000_000), /got "1{50,60}… \(10000000 characters\)"/);
  });

  it('takes true and false, and the words for them', () => {
    const setting = booleanSetting(true);
    for (const value of [true, 'true']) assert.equal(readSetting(setting, 'size', value), true);
    for (const value of [false, 'false']) assert.equal(readSetting(setting, 'size', value), false);
    for (const value of [1, 0, '', 'yes', null, undefined]) refused(setting, value, /must be true or false; got /);
  });

  it('takes one of its choices, letter by letter', () => {
    const setting = choiceSetting('a', ['a', 'b']);
    assert.equal(readSetting(setting, 'size', 'b'), 'b');
    for (const value of ['A', '', 'constructor', null, ['a']]) refused(setting, value, /must be one of a, b; got /);
  });
});
