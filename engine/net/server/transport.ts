import { EngineError, type ErrorCode } from '../../errors';
import { printable as inOneLine } from '../../util/quote';
import type { Tensor } from '../net';

/** One input or output of a model, as a server describes it. -1 in `shape` is a size that is free until a run. */
export interface TensorHead {
  name: string;
  /** `FP32`, `FP16`, `INT64` and so on. */
  datatype: string;
  shape: number[];
}

/** The limits of a model that a server may report besides its inputs and outputs. */
export interface ModelLimits {
  /** The most rows per run, where the server has such a limit. */
  maxRows?: number;
  /** The number of copies of the net that it runs in parallel, where it tells. */
  instances?: number;
  /** The fingerprint of the files that the model was made from, where its configuration has it. */
  fingerprint?: string;
}

/** A model as a server describes it. */
export interface ModelHead extends ModelLimits {
  inputs: TensorHead[];
  outputs: TensorHead[];
}

/** A tensor as it is sent: its bytes, or their place in shared memory. */
export interface SentTensor {
  name: string;
  datatype: string;
  shape: number[];
  data: Tensor['data'];
  place?: Place;
}

/** A part of a region of shared memory that the server has mapped, bytes. */
export interface Place {
  region: string;
  offset: number;
  length: number;
}

export interface InferRequest {
  model: string;
  inputs: SentTensor[];
  /** `place` is where the server shall write the output instead of sending it. */
  outputs: { name: string; place?: Place }[];
}

/** `bytes` is undefined where the server has sent none because it has written them to shared memory. */
export interface GivenTensor {
  datatype: string;
  shape: number[];
  bytes?: Uint8Array;
}

export interface InferAnswer {
  /** The version of the model that answered; undefined where the server does not tell. */
  version?: string;
  outputs: Map<string, GivenTensor>;
}

/** A connection to one server. All calls reject with {@link ServerFailure}, after `deadlineMs` at the latest. */
export interface Transport {
  describe(model: string, deadlineMs: number): Promise<ModelHead>;
  infer(request: InferRequest, deadlineMs: number): Promise<InferAnswer>;
  /** The protocol's extensions that the server supports, such as `system_shared_memory`. */
  extensions(deadlineMs: number): Promise<string[]>;
  /** Makes the server map the shared memory /NAME, under that name. */
  registerMemory(name: string, bytes: number, deadlineMs: number): Promise<void>;
  unregisterMemory(name: string, deadlineMs: number): Promise<void>;
  /** The names of all shared memory that the server has mapped, for any client. */
  memoryRegions(deadlineMs: number): Promise<string[]>;
  /** Ends all connections. */
  close(): void;
}

/** A failed call to a server. */
export class ServerFailure extends EngineError {
  /** A kept connection had ended unnoticed. Nothing is wrong with the server, but it may be another one by now. */
  isStale = false;
  /** The server has answered with a refusal, so the call is over. */
  isRefusal = false;

  /** @param elsewhere whether another server may succeed */
  constructor(
    code: ErrorCode,
    message: string,
    readonly elsewhere: boolean,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }
}

/**
 * The failure for an answer other than success, by its HTTP status.
 *
 * @param shown the transport's own name of the status
 */
export function refusal(where: string, status: number, reason: string, shown = String(status), cause?: Error): ServerFailure {
  const failure = (code: ErrorCode, what: string, elsewhere: boolean): ServerFailure =>
    Object.assign(new ServerFailure(code, `${where} ${what}`, elsewhere, { cause }), { isRefusal: true });
  const said = reason ? `: ${inOneLine(reason, 300)}` : '';
  if (status === 401 || status === 403) {
    return failure('EDENIED', `refuses access (${shown})${said}; check the token, or user and password, of the server`, true);
  }
  if (status === 404 || /unknown model|not found|not ready|no available versions|unavailable/i.test(reason.slice(0, 1000))) {
    return failure('ENETWORK', `does not serve the model (${shown})${said}; see its list of models and its log`, true);
  }
  if (status >= 400 && status < 500 && status !== 408 && status !== 429)
    return failure('EBADMODEL', `cannot compute this (${shown})${said}`, false);
  return failure('ENETWORK', `failed (${shown})${said}`, true);
}

/** The failure for an answer that makes no sense and is not used. */
export function nonsense(where: string, how: string): ServerFailure {
  return new ServerFailure('ENETWORK', `${where} gave an answer that makes no sense: ${inOneLine(how, 500)}`, true);
}

export function tooSlow(where: string, deadlineMs: number): ServerFailure {
  return new ServerFailure('ETIMEOUT', `${where} has not answered within ${deadlineMs / 1000} s`, true);
}

/** The failure for a connection that was refused or broke off. */
export function unreachable(where: string, thrown: unknown): ServerFailure {
  const { code, message } = thrown as NodeJS.ErrnoException;
  const untrusted = /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|CERT_|ERR_TLS_CERT)/.test(code ?? '') || /certificate/i.test(message);
  const advice = untrusted ? '; if the certificate is self-signed, name the file of its authority' : '';
  return new ServerFailure(
    'ENETWORK',
    `${where} cannot be reached, or broke off: ${inOneLine(message || code || 'connection lost', 300)}${advice}`,
    true,
    { cause: thrown },
  );
}
