import { shorten } from './util/quote';

/**
 * What can go wrong, as short codes that a program (or a Catch node) can tell apart.
 *
 * | code | means |
 * |---|---|
 * | ENOMODEL | the model folder or repository, or a net that the request needs, is not there |
 * | EBADMODEL | a file of the model cannot be used: torn, of the wrong kind, or in contradiction to its config |
 * | ENOPROVIDER | none of the wanted execution providers works on this machine |
 * | EBADPARAM | an option has a value that cannot work |
 * | EBADFRAME | a picture cannot be read |
 * | ENOCODEC | no picture can be read or written: the native part of sharp is missing |
 * | ESOURCE | the camera, video, folder or program that a source takes its pictures from gives none |
 * | EBADPROMPT | a prompt cannot be used: it has the wrong type, or the model has no tokenizer |
 * | ECLOSED | the engine or stream was closed before the call could settle |
 * | EHOST | the engine's process died or does not answer |
 * | ETIMEOUT | a wait reached its deadline |
 * | EMEMORY | the engine's process took more memory than it may |
 * | ENETWORK | a server cannot be reached, keeps breaking off, or gives a wrong answer |
 * | EDENIED | a server wants a login, another login, or a licence accepted |
 * | EINTEGRITY | a server sent something other than it had announced |
 * | EDISK | the disk is full, or a folder cannot be read or written |
 * | EINTERNAL | a defect of this package |
 */
export type ErrorCode =
  | 'ENOMODEL'
  | 'EBADMODEL'
  | 'ENOPROVIDER'
  | 'EBADPARAM'
  | 'EBADFRAME'
  | 'ENOCODEC'
  | 'ESOURCE'
  | 'EBADPROMPT'
  | 'ECLOSED'
  | 'EHOST'
  | 'ETIMEOUT'
  | 'EMEMORY'
  | 'ENETWORK'
  | 'EDENIED'
  | 'EINTEGRITY'
  | 'EDISK'
  | 'EINTERNAL';

/** Texts of errors go into logs, statuses and pipes, and those of other programs may be megabytes long. */
const MOST_SAID = 4000;

/** An error that says what was wrong, what it got and what to do, with an {@link ErrorCode}, in at most about 4,000 characters. */
export class EngineError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(shorten(message, MOST_SAID), options);
    this.name = 'EngineError';
    this.code = code;
  }

  /** Turns any thrown value into an EngineError, and returns one that already is. */
  static from(thrown: unknown, code: ErrorCode, prefix = ''): EngineError {
    if (thrown instanceof EngineError) return thrown;
    const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
    return new EngineError(code, prefix + cause.message, { cause });
  }
}
