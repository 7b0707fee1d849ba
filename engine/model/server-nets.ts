import { basename, dirname } from 'node:path';
import { EngineError } from '../errors';
import { ServerNet } from '../net/server/server-net';
import type { ServerOptions } from '../types';
import { modelFolder } from './files';
import { fingerprintOf, patchedFingerprint } from './fingerprint';
import { int8Patch } from './graph-patches';
import type { ServedNet } from './adapters/served';
import type { NetFiles } from './layouts';
import { isNetName, netNames, type NetName } from './roles';
import { quote } from '../util/quote';

/** The nets that run on a server. @throws EBADPARAM for an unknown name */
export function netsOnServer(server: ServerOptions | undefined): ReadonlySet<NetName> {
  if (!server) return new Set();
  const { nets = ['unet'] } = server;
  const unknown = nets.find((name) => !isNetName(name));
  if (unknown !== undefined || nets.length === 0) {
    throw new EngineError(
      'EBADPARAM',
      `nets on a server are some of ${netNames.join(', ')}; got ${unknown === undefined ? 'none' : quote(unknown)}`,
    );
  }
  return new Set(nets);
}

/**
 * The prefix of the names of a model's nets on a server, as in `starter_unet`: the name of its folder, without characters that
 * servers do not allow in names.
 */
export function serverPrefix(model: string): string {
  const folder = modelFolder(model).replace(/[\\/]+$/, '');
  // Folders in Hugging Face's cache are named after their commit; the repository's folder is two levels above.
  const name = /^[0-9a-f]{40}$/.test(basename(folder)) ? basename(dirname(dirname(folder))) : basename(folder);
  return name.replaceAll(/[^A-Za-z0-9.-]+/g, '_').replace(/^[_.]+|[_.]+$/g, '') || 'model';
}

/** Rejects as ServerNet.open does. */
export async function openOnServer(
  model: string,
  name: NetName,
  { path, ranges }: NetFiles,
  { header, applied }: ServedNet,
  server: ServerOptions,
): Promise<ServerNet> {
  const prefix = server.prefix ?? serverPrefix(model);
  const { inputs, outputs } = header;
  const fingerprint = async (): Promise<string> => patchedFingerprint(await fingerprintOf(path), applied);
  const int8Fingerprints = async (): Promise<string[]> => {
    const own = ranges && (await fingerprintOf(path));
    return own ? ([8, 7] as const).map((bits) => patchedFingerprint(own, [int8Patch(ranges, bits, path), ...applied])) : [];
  };
  try {
    return await ServerNet.open(`${prefix}_${name}`, { inputs, outputs, fingerprint, int8Fingerprints }, server);
  } catch (thrown) {
    const { code, message } = EngineError.from(thrown, 'ENETWORK');
    if (code !== 'EBADMODEL' || applied.length === 0) throw thrown;
    const hint = `for ${applied.map((patch) => patch.name).join(', ')} it has to be written with --adapter NAME=PATH for each adapter`;
    throw new EngineError(code, `${message}; ${hint}`, { cause: thrown });
  }
}
