import assert from 'node:assert/strict';
import { checkWebName } from '../../../../nodes/lib/web/name';

describe('the name of a page', () => {
  it('is one that needs no encoding in an address', () => {
    for (const name of ['live', 'left-2', 'a_b', '0', 'x'.repeat(64)]) assert.equal(checkWebName(name, 'a sink'), name);
  });

  it('is refused with what it may be, or that there is none', () => {
    for (const [name, message] of [
      [undefined, /^a sink needs a name, which is part of its address: small letters, digits, - and _/],
      ['', /^a sink needs a name.*, not ""$/],
      ['My picture', /^a sink's name may have small letters, digits, - and _ \(at most 64\), not "My picture"/],
      ['a/b', /not "a\/b"/],
      ['x'.repeat(65), /at most 64/],
      ['health', /^"health" is an address of its own: choose a different name for a sink/],
    ] as const)
      assert.throws(() => checkWebName(name, 'a sink'), { code: 'EBADPARAM', message });
  });
});
