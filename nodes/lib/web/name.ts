import { EngineError } from '../../../engine/errors';
import { shorten } from '../../../engine/util/quote';

/** Names that need no encoding in an address. */
const NAME = /^[a-z0-9_-]{1,64}$/;
/** Addresses other than those of sinks and cameras. */
const TAKEN = new Set(['health']);

/** Whether something else answers at `/streamdiffusion/NAME`. */
export const isTakenName = (name: string): boolean => TAKEN.has(name);

/**
 * @param what the owner of the name, for the error: "a sink"
 * @throws EBADPARAM unless the name is valid in `/streamdiffusion/NAME`
 */
export function checkWebName(given: string | undefined, what: string): string {
  const name = given ?? '';
  if (name === '')
    throw new EngineError(
      'EBADPARAM',
      `${what} needs a name, which is part of its address: small letters, digits, - and _ (at most 64), not ""`,
    );
  if (!NAME.test(name)) {
    throw new EngineError('EBADPARAM', `${what}'s name may have small letters, digits, - and _ (at most 64), not "${shorten(name, 100)}"`);
  }
  if (TAKEN.has(name)) throw new EngineError('EBADPARAM', `"${name}" is an address of its own: choose a different name for ${what}`);
  return name;
}
