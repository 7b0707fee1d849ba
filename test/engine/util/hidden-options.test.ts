import assert from 'node:assert/strict';
import { hiding } from '../../../engine/util/hidden-options';

describe('a program that is called with secrets', () => {
  it('hides options from the list of processes where the system can', () => {
    const call = hiding('ffmpeg', ['-i', 'in', 'out'], [['passphrase', "a'b $(c) `d` \\e"]], 'linux');
    assert.doesNotMatch(call.args.join(' '), /\$\(c\)/);
    assert.equal(call.input, "passphrase=a'b $(c) `d` \\e\n\n");
    assert.deepEqual(call.args.slice(-3), ['-fpre', '/dev/fd/4', 'out']);
    assert.deepEqual(hiding('ffmpeg', ['-i', 'in', 'out'], [['a', 'b']], 'win32').args, ['-i', 'in', '-a', 'b', 'out']);
    assert.deepEqual(hiding('ffmpeg', ['out'], [], 'linux'), { program: 'ffmpeg', args: ['out'] });
  });
});
