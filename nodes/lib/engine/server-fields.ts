import { EngineError } from '../../../engine/errors';
import { isNetName, netNames, type NetName } from '../../../engine/model/roles';
import { readAccess } from '../../../engine/net/server/options';
import type { ServerOptions } from '../../../engine/types';
import { readChoice, readOptionalNumber } from '../common/fields';

/** The fields of the engine's dialog for an inference server. */
export interface ServerFields {
  /** Default `here`. */
  runOn?: 'here' | 'server';
  /** Addresses, separated by commas or spaces. */
  serverAddresses?: string;
  /** Names of nets, separated by commas. Default `unet`. */
  serverNets?: string;
  /** The prefix of the nets' names on the server; empty stands for the name of the model's folder. */
  serverPrefix?: string;
  serverLogin?: 'none' | 'token' | 'basic';
  /** A file of certificates on this machine. */
  serverCa?: string;
  /** The longest wait for an answer, seconds. Default 10. */
  serverTimeout?: string | number;
}

/** The credentials, which Node-RED stores apart from the flow. */
export interface ServerCredentials {
  serverToken?: string;
  serverUser?: string;
  serverPassword?: string;
}

/**
 * @returns undefined where all nets run here
 * @throws EBADPARAM
 */
export function readServerFields(fields: ServerFields, credentials: ServerCredentials): ServerOptions | undefined {
  if (readChoice(fields.runOn || 'here', 'runOn', ['here', 'server']) === 'here') return undefined;
  const { serverAddresses = '', serverNets = 'unet', serverPrefix = '', serverCa = '', serverLogin = 'none' } = fields;
  readChoice(serverLogin || 'none', 'serverLogin', ['none', 'token', 'basic']);
  const seconds = readOptionalNumber(fields.serverTimeout, 'serverTimeout', 10, { min: 0.05, max: 600 });
  const { serverToken: token = '', serverUser: user = '', serverPassword: password = '' } = credentials;
  if (serverLogin === 'token' && token === '') throw new EngineError('EBADPARAM', 'the server needs a token, and none is given');
  if (serverLogin === 'basic' && user === '') throw new EngineError('EBADPARAM', 'the server needs a user, and none is given');
  const options: ServerOptions = {
    addresses: addressesIn(serverAddresses),
    nets: readNets(serverNets),
    ...(serverPrefix.trim() !== '' && { prefix: serverPrefix.trim() }),
    ...(serverCa.trim() !== '' && { ca: serverCa.trim() }),
    ...(seconds !== 10 && { timeoutMs: seconds * 1000 }),
    ...(serverLogin === 'token' && { token }),
    ...(serverLogin === 'basic' && { user, password }),
  };
  readAccess(options);
  return options;
}

/** Both text encoders of a model that has two go together. */
function readNets(text: string): NetName[] {
  const names = list(text);
  const unknown = names.find((name) => !isNetName(name));
  if (unknown !== undefined) throw new EngineError('EBADPARAM', `"${unknown}" is not a net; there are ${netNames.join(', ')}`);
  if (names.length === 0) throw new EngineError('EBADPARAM', 'no net is chosen to run on the server; choose some, or run all nets here');
  return netNames.filter((name) => names.includes(name.replace(/_2$/, '')));
}

/** The addresses in a text, separated by commas or spaces. */
export function addressesIn(text = ''): string[] {
  return list(text);
}

function list(text: string): string[] {
  return text.split(/[\s,;]+/).filter((each) => each !== '');
}
