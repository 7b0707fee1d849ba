import { EngineError } from '../errors';
import type { ServerOptions } from '../types';
import { Adapters } from './adapters/adapters';
import { adaptersOnServer } from './adapters-on-server';
import { asServed } from './adapters/served';
import { findFiles, modelFolder } from './files';
import { readHeaders } from './headers';
import { netsOnServer, openOnServer, serverPrefix } from './server-nets';

/** A report on a net on a server. */
export interface ServedNetReport {
  /** Its name on the server. */
  name: string;
  /** The number of copies that compute in parallel, on all addresses together. */
  instances: number;
  /** Whether the server has it in int8. */
  int8: boolean;
  /** Addresses that cannot be used while others can, and adapters that it has no inputs for, in sentences. */
  warnings: string[];
  /** The addresses on this machine, each with the reason why shared memory is off; undefined where it is in use. */
  sharedMemory: { where: string; off: string | undefined }[];
  /** Why it cannot be used. */
  error?: Pick<EngineError, 'code' | 'message'>;
}

/**
 * Compares the nets that should run on a server with those of a model folder. No net is opened or run.
 *
 * Rejects with ENOMODEL, EBADMODEL for the folder or an adapter, EBADPARAM for settings that cannot work.
 */
export async function checkServer(
  model: string,
  server: ServerOptions,
  autoencoder?: string,
  paths?: Record<string, string>,
): Promise<ServedNetReport[]> {
  const files = await findFiles(modelFolder(model), autoencoder);
  const headers = await readHeaders(files);
  const found = await Adapters.open(paths, { files, headers });
  const { adapters, note } = await adaptersOnServer(model, { files, headers }, found, server);
  const prefix = server.prefix ?? serverPrefix(model);
  const checks = [...netsOnServer(server)].map(async (name): Promise<ServedNetReport[]> => {
    const [net, header] = [files.nets[name], headers[name]];
    if (!net || !header) return [];
    try {
      const served = await openOnServer(model, name, net, await asServed(header, net.path, adapters.patches(name, 'cpu')), server);
      const { int8, warnings, sharedMemory } = served;
      const { instances } = served.place;
      await served.close();
      const all = note && name === 'unet' ? [...warnings, note] : warnings;
      return [{ name: `${prefix}_${name}`, instances, int8, warnings: all, sharedMemory }];
    } catch (thrown) {
      return [
        {
          name: `${prefix}_${name}`,
          instances: 0,
          int8: false,
          warnings: [],
          sharedMemory: [],
          error: EngineError.from(thrown, 'ENETWORK'),
        },
      ];
    }
  });
  return (await Promise.all(checks)).flat();
}
