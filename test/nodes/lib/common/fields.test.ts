import assert from 'node:assert/strict';
import { readOptionalBoolean, readOptionalChoice, readOptionalNumber } from '../../../../nodes/lib/common/fields';
import { readPageLook, type SinkDef } from '../../../../nodes/lib/sink/settings';
import { readSourceSettings, type SourceDef } from '../../../../nodes/lib/source/settings';

describe('a field of a dialog', () => {
  it('that is empty, or that an older flow does not have, is its default; what cannot be is refused by name', () => {
    for (const empty of ['', undefined, null]) {
      assert.equal(readOptionalBoolean(empty, 'loop', true), true);
      assert.equal(readOptionalChoice(empty, 'fit', 'contain', ['contain', 'cover']), 'contain');
      assert.equal(readOptionalNumber(empty, 'fps', 25), 25);
      const fields = {
        loop: empty,
        onlyNew: empty,
        autostart: empty,
        kind: empty,
        fps: empty,
        start: empty,
        speed: empty,
        interval: empty,
        anyCertificate: empty,
        options: empty,
      };
      assert.equal(readSourceSettings(fields as unknown as SourceDef).kind, 'test-card');
      assert.deepEqual(readPageLook({ fit: empty, fade: empty, idle: empty } as unknown as SinkDef), { fit: 'contain', fade: 0, idle: 0 });
    }
    assert.throws(() => readOptionalBoolean('maybe', 'loop', true), { code: 'EBADPARAM', message: /^loop must be/ });
    assert.throws(() => readOptionalChoice('tall', 'fit', 'contain', ['contain', 'cover']), { code: 'EBADPARAM', message: /^fit must be/ });
  });
});
