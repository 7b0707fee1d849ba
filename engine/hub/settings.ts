import { homedir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../errors';
import { quote } from '../util/quote';

/** Where models come from and where they are kept. */
export interface HubSettings {
  /** The hub's address, without a trailing slash. */
  endpoint: string;
  /** The token for private repositories and for those with a licence to accept. */
  token?: string;
  /** The cache of Hugging Face's own tools: files in it are not downloaded again. It is only read. */
  cacheFolder: string;
  /** The folder of pulled models, which are in OWNER/NAME. */
  modelsFolder: string;
}

/**
 * The settings from environment variables: HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME as Hugging
 * Face's own tools read them, and STREAMDIFFUSION_MODELS.
 *
 * @throws EBADPARAM for an endpoint that would send the token in the clear
 */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return {
    endpoint: checkEndpoint(env.HF_ENDPOINT || 'https://huggingface.co'),
    ...(env.HF_TOKEN && { token: env.HF_TOKEN.trim() }),
    cacheFolder: env.HF_HUB_CACHE || join(home, 'hub'),
    modelsFolder: env.STREAMDIFFUSION_MODELS || join(homedir(), '.streamdiffusion', 'models'),
  };
}

/** Whether requests to an address are allowed: https, or http on this machine. */
export function isAllowed(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
}

export function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

function checkEndpoint(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url && isAllowed(url)) return url.href.replace(/\/+$/, '');
  throw new EngineError('EBADPARAM', `HF_ENDPOINT must be an https address (http only on this machine); got ${quote(address)}`);
}
