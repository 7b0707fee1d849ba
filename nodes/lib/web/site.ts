import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { RequestHandler } from 'express';
import type { NodeAPI } from 'node-red';
import { oncePerRed } from '../common/once-per-red';
import { isAllowedOrigin, type CorsSettings } from './http-cors';

/** In Node-RED's settings file, as far as it matters for pages of other sites. */
export interface SiteSettings {
  /** Names under which this Node-RED is reached, beside those that nobody from elsewhere can have. */
  streamdiffusionHosts?: string | string[];
  httpNodeAuth?: unknown;
  adminAuth?: unknown;
  httpNodeCors?: CorsSettings;
  httpAdminCors?: CorsSettings;
}

/** Ends of names that are given out inside of a network only. */
const LOCAL_ENDS = ['.localhost', '.local', '.localdomain', '.lan', '.home', '.home.arpa', '.internal', '.intranet'];

/**
 * Whether a request may be meant for this Node-RED by its `Host`. A page of another site can let its own name lead to
 * this machine (DNS rebinding); its requests then look as if they came from a page of ours, under that name. Addresses,
 * names without a dot and names of the own network cannot be had from elsewhere; others stand in the settings.
 */
export function isKnownHost(host: string | undefined, { streamdiffusionHosts = [] }: SiteSettings): boolean {
  // Browsers always say it.
  if (host === undefined || host === '') return true;
  const name = nameOf(host);
  const isLocal =
    isIP(name) !== 0 || !name.includes('.') || LOCAL_ENDS.some((end) => name.endsWith(end)) || name === hostname().toLowerCase();
  return isLocal || [streamdiffusionHosts].flat().some((known) => nameOf(String(known)) === name);
}

/** Whether no page of another site speaks. Programs say no origin; a browser always says that of its page, but for plain pictures. */
export function isOwnOrigin(request: IncomingMessage, settings: SiteSettings): boolean {
  const { origin, host, upgrade, 'x-forwarded-host': forwarded } = request.headers;
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const { host: own } = new URL(origin);
  // A proxy says the name that it was asked for; a page may say so as well, but not with a WebSocket.
  return own === host || (own === forwarded && (upgrade !== undefined || isKnownHost(own, settings)));
}

/** Before every address of this package that is for viewers: the `Host` check; with a login it is not needed, since a name from elsewhere brings none. */
export function hostGuard(settings: SiteSettings): RequestHandler {
  return (request, response, next) => {
    const isTrusted = Boolean(settings.httpNodeAuth) || request.secure || isKnownHost(request.headers.host, settings);
    if (isTrusted) return next();
    const name = nameOf(request.headers.host ?? '')
      .replace(/[^\w.-]/g, '')
      .slice(0, 100);
    response
      .status(403)
      .type('text')
      .send(`This Node-RED is not known as ${name}: name it in streamdiffusionHosts in the settings file.\n`);
  };
}

/** Before every address of this package that is for the editor; a login makes it needless, since its token is in no request of another site. */
export function adminGuard(settings: SiteSettings): RequestHandler {
  return (request, response, next) => {
    // A WebSocket for viewers comes by as well where both have the same root, and is asked for its origin where it is accepted.
    // No page can read what answers it instead, nor set this header for anything else.
    const isHandshake = request.method === 'GET' && request.headers['sec-websocket-key'] !== undefined;
    if (isHandshake && VIEWERS.test(request.baseUrl + request.path) && isKnownHost(request.headers.host, settings)) return next();
    mayEdit(request, settings).then(
      (may) => (may ? next() : void response.status(403).type('text').send('Pages from elsewhere may not do that.\n')),
      next,
    );
  };
}

/** Whether no page of another site speaks to the editor's side. */
export async function mayEdit(request: IncomingMessage, settings: SiteSettings): Promise<boolean> {
  if (settings.adminAuth) return true;
  const { host, origin } = request.headers;
  return isKnownHost(host, settings) && (isOwnOrigin(request, settings) || (await isAllowedOrigin(settings.httpAdminCors, origin)));
}

const ADMIN_ROUTES = '/streamdiffusion';
/** Addresses of WebSockets for viewers, and none of the editor's. Express reads paths in any case. */
const VIEWERS = /\/streamdiffusion\/(?!(engine|models|denoisers|streams)(\/|$))[\w-]+(\/(camera|play|draw|wish))?\/?$/i;

/** Puts the guard before this package's routes of the editor; to be called before each of them is put up. */
export const guardAdmin = oncePerRed('httpAdmin', (RED) => {
  RED.httpAdmin.use(ADMIN_ROUTES, adminGuard(RED.settings as SiteSettings));
});

/** Without port and final dot, in small letters; an IPv6 address without its brackets. */
function nameOf(host: string): string {
  const [, bracketed, plain = ''] = /^\[([^\]]*)\]|^([^:]*)/.exec(host.toLowerCase()) ?? [];
  return bracketed ?? plain.replace(/\.$/, '');
}

/** Browsers send forms from any site to any address, but JSON only where they are allowed to. */
export const onlyJson: RequestHandler = (request, response, next) =>
  request.is('json') ? next() : response.status(415).json({ code: 'EBADPARAM', message: 'send JSON' });

/** Where the editor and the pages of a Node-RED are, for pages that ask both: without a slash at the end, and harmless in HTML. */
export function rootsOf(RED: NodeAPI): { admin: string; node: string } {
  const { httpAdminRoot, httpNodeRoot } = RED.settings as { httpAdminRoot?: string | false; httpNodeRoot?: string };
  return { admin: rootOf(httpAdminRoot), node: rootOf(httpNodeRoot) };
}

/** `false` where it is switched off. */
function rootOf(root: string | false | undefined): string {
  return root === false
    ? 'false'
    : encodeURI(root ?? '/')
        .replace(/["'<>&]/g, '')
        .replace(/\/+$/, '');
}
