import assert from 'node:assert/strict';
import { Engine } from '../../engine';
import { REFERENCE_MODEL } from './reference';

/** Asserts that the reference model cannot be opened with this file as the adapter `mine`, and that the error says why. */
export async function refused(path: string, says: RegExp): Promise<void> {
  await assert.rejects(Engine.load({ model: REFERENCE_MODEL, adapters: { mine: path } }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'EBADMODEL', error.message);
    assert.match(error.message, says);
    assert.match(error.message, /mine/);
    return true;
  });
}
