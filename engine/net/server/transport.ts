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

/** What a server may tell of a model beyond its inputs and outputs. */
export interface ModelLimits {
  /** Most rows a run, where the server has such a limit. */
  maxRows?: number;
  /** How many copies of the net it runs beside each other, where it tells. */
  instances?: number;
  /** What the model was made of, where its configuration tells. */
  fingerprint?: string;
}

/** A model as a server describes it. */
export interface ModelHead extends ModelLimits {
  inputs: TensorHead[];
  outputs: TensorHead[];
}

/** A tensor as it is sent: the place of its bytes in shared memory, or the bytes. */
export interface SentTensor {
  name: string;
  datatype: string;
  shape: number[];
  data: Tensor['data'];
  place?: Place;
}

/** A part of a region of shared memory that the server knows, bytes. */
export interface Place {
  region: string;
  offset: number;
  length: number;
}

export interface InferRequest {
  model: string;
  inputs: SentTensor[];
  /** `place`: where the server is to write the output instead of sending it. */
  outputs: { name: string; place?: Place }[];
}

/** `bytes` is undefined where the server has sent none, as when it has written them to shared memory. */
export interface GivenTensor {
  datatype: string;
  shape: number[];
  bytes?: Uint8Array;
}

export interface InferAnswer {
  /** Of the model that has answered; undefined where the server does not say. */
  version?: string;
  outputs: Map<string, GivenTensor>;
}

/** One server, reached in one way. All calls reject with {@link ServerFailure}, after `deadlineMs` at the latest. */
export interface Transport {
  describe(model: string, deadlineMs: number): Promise<ModelHead>;
  infer(request: InferRequest, deadlineMs: number): Promise<InferAnswer>;
  /** What the server can beyond the protocol, such as `system_shared_memory`. */
  extensions(deadlineMs: number): Promise<string[]>;
  /** Makes the server map the shared memory /NAME, and call it so. */
  registerMemory(name: string, bytes: number, deadlineMs: number): Promise<void>;
  unregisterMemory(name: string, deadlineMs: number): Promise<void>;
  /** Names of all shared memory that the server has mapped, for whomever. */
  memoryRegions(deadlineMs: number): Promise<string[]>;
  /** Ends all connections. */
  close(): void;
}

/** What went wrong with a server. */
export class ServerFailure extends EngineError {
  /** A connection that was kept had ended unnoticed: nothing is wrong with the server, which may by now be another one. */
  isStale = false;
  /** The server has answered, and does not want to: it is through with the call. */
  isRefusal = false;

  /** @param elsewhere whether another server may do better */
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
 * What the protocol's answers other than success mean, by HTTP's numbers.
 *
 * @param shown what the transport calls the status
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

/** An answer that makes no sense: nothing of it is used. */
export function nonsense(where: string, how: string): ServerFailure {
  return new ServerFailure('ENETWORK', `${where} has answered what it should not: ${inOneLine(how, 500)}`, true);
}

export function tooSlow(where: string, deadlineMs: number): ServerFailure {
  return new ServerFailure('ETIMEOUT', `${where} has not answered within ${deadlineMs / 1000} s`, true);
}

/** No connection, or one that broke off. */
export function unreachable(where: string, thrown: unknown): ServerFailure {
  const { code, message } = thrown as NodeJS.ErrnoException;
  const untrusted = /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|CERT_|ERR_TLS_CERT)/.test(code ?? '') || /certificate/i.test(message);
  const advice = untrusted ? '; if the certificate is of your own making, name the file of its authority' : '';
  return new ServerFailure(
    'ENETWORK',
    `${where} cannot be reached, or broke off: ${inOneLine(message || code || 'connection lost', 300)}${advice}`,
    true,
    { cause: thrown },
  );
}
