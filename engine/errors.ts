import { shorten } from './util/quote';

/**
 * What can go wrong, as short codes that a program (or a Catch node) can tell apart.
 *
 * | code | means |
 * |---|---|
 * | ENOMODEL | the model folder or repository, or a net that the request needs, is not there |
 * | EBADMODEL | a file of the model cannot be used: torn, wrong kind, contradicting its config |
 * | ENOPROVIDER | none of the wanted execution providers works on this machine |
 * | EBADPARAM | an option has a value that cannot work |
 * | EBADFRAME | a picture cannot be read |
 * | ENOCODEC | no picture can be read or written: the native part of sharp is missing |
 * | ESOURCE | the camera, video, folder or program that a source takes its pictures from does not give any |
 * | EBADPROMPT | a prompt cannot be used: wrong type, no tokenizer |
 * | ECLOSED | the engine or stream was closed before the call could settle |
 * | EHOST | the engine's process died or does not answer |
 * | ETIMEOUT | a wait reached its deadline |
 * | EMEMORY | the engine's process took more memory than it may |
 * | ENETWORK | a server cannot be reached, breaks off again and again, or answers what it should not |
 * | EDENIED | a server wants a login, another one, or a licence accepted |
 * | EINTEGRITY | what a server sent is not what it had announced |
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

/** Texts of errors go into logs, statuses and over pipes: what others have to say may be megabytes. */
const MOST_SAID = 4000;

/** An error that says what was wrong, what was got and what to do, with a {@link ErrorCode}; in at most about 4,000 characters. */
export class EngineError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(shorten(message, MOST_SAID), options);
    this.name = 'EngineError';
    this.code = code;
  }

  /** Any thrown value as an EngineError; one that is already one is kept. */
  static from(thrown: unknown, code: ErrorCode, prefix = ''): EngineError {
    if (thrown instanceof EngineError) return thrown;
    const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
    return new EngineError(code, prefix + cause.message, { cause });
  }
}
