import { EngineError } from '../errors';
import type { ServerOptions } from '../types';
import { quote } from '../util/quote';
import type { Adapters } from './adapters/adapters';
import { asServed } from './adapters/served';
import type { ModelFiles } from './files';
import type { Headers } from './headers';
import { netsOnServer, openOnServer } from './server-nets';

/** The adapters of a model whose UNet is on a server. */
export interface AdaptersOnServer {
  adapters: Adapters;
  /** Why the adapters in the model's own folder are left out, in a sentence. */
  note?: string;
}

/**
 * All adapters if the server's UNet has inputs for them, or cannot be asked. If it lacks inputs only for the adapters in the
 * model's own folder, these are left out: nobody asked for them, and a server that was set up before they were added goes on.
 */
export async function adaptersOnServer(
  model: string,
  { files, headers }: { files: ModelFiles; headers: Headers },
  adapters: Adapters,
  server: ServerOptions | undefined,
): Promise<AdaptersOnServer> {
  const [net, header] = [files.nets.unet, headers.unet];
  if (!server || !net || !header || adapters.own.length === 0 || !netsOnServer(server).has('unet')) return { adapters };
  /** Whether the server's UNet has inputs for these adapters; undefined where it does not tell. */
  const serves = async (some: Adapters): Promise<boolean | undefined> => {
    try {
      const served = await openOnServer(model, 'unet', net, await asServed(header, net.path, some.patches('unet', 'server')), server);
      await served.close();
      return true;
    } catch (thrown) {
      return EngineError.from(thrown, 'ENETWORK').code === 'EBADMODEL' ? false : undefined;
    }
  };
  const asked = adapters.withoutOwn();
  if ((await serves(adapters)) !== false || !(await serves(asked))) return { adapters };
  const names = adapters.own.map((name) => quote(name)).join(', ');
  return {
    adapters: asked,
    note: `The UNet on the server has no inputs for the model's own ${names}; "streamdiffusion models repository" writes one that has`,
  };
}
