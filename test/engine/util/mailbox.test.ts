import assert from 'node:assert/strict';
import { Mailbox } from '../../../engine/util/mailbox';

describe('mailbox', () => {
  it('holds one: the newest', () => {
    const mailbox = new Mailbox<string>();
    assert.equal(mailbox.take(), undefined);
    assert.equal(mailbox.put('a'), undefined);
    assert.equal(mailbox.put('b'), 'a');
    assert.equal(mailbox.full, true);
    assert.equal(mailbox.take(), 'b');
    assert.equal(mailbox.full, false);
  });
});
