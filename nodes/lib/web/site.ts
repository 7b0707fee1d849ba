import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { RequestHandler } from 'express';
import type { NodeAPI } from 'node-red';
import { oncePerRed } from '../common/once-per-red';
import { isAllowedOrigin, type CorsSettings } from './http-cors';

/** The settings in Node-RED's settings file that concern pages of other sites. */
export interface SiteSettings {
  /** The host names of this Node-RED, besides those that are local by nature. */
  streamdiffusionHosts?: string | string[];
  httpNodeAuth?: unknown;
  adminAuth?: unknown;
  httpNodeCors?: CorsSettings;
  httpAdminCors?: CorsSettings;
}

/** The endings of host names that exist only inside a network. */
const LOCAL_ENDS = ['.localhost', '.local', '.localdomain', '.lan', '.home', '.home.arpa', '.internal', '.intranet'];

/**
 * Whether the `Host` of a request may be this Node-RED's. A page of another site can make its own name resolve to this machine
 * (DNS rebinding); its requests then seem to come from a page of this Node-RED. IP addresses, names without a dot and names of
 * the local network cannot belong to another site; other names must be in the settings.
 */
export function isKnownHost(host: string | undefined, { streamdiffusionHosts = [] }: SiteSettings): boolean {
  // Browsers always send it.
  if (host === undefined || host === '') return true;
  const name = nameOf(host);
  const isLocal =
    isIP(name) !== 0 || !name.includes('.') || LOCAL_ENDS.some((end) => name.endsWith(end)) || name === hostname().toLowerCase();
  return isLocal || [streamdiffusionHosts].flat().some((known) => nameOf(String(known)) === name);
}

/** Whether a request does not come from a page of another site. Programs send no origin; browsers always do, except for plain pictures. */
export function isOwnOrigin(request: IncomingMessage, settings: SiteSettings): boolean {
  const { origin, host, upgrade, 'x-forwarded-host': forwarded } = request.headers;
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const { host: own } = new URL(origin);
  // A proxy forwards the requested name in a header. A page could set that header as well, but not for a WebSocket.
  return own === host || (own === forwarded && (upgrade !== undefined || isKnownHost(own, settings)));
}

/** Checks the `Host` before every address for viewers. With a login this is not needed, since requests under another name carry none. */
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

/** Refuses pages of other sites at every address for the editor. With a login this is not needed, since requests of other sites carry no token. */
export function adminGuard(settings: SiteSettings): RequestHandler {
  return (request, response, next) => {
    // WebSockets for viewers also pass here where both have the same root; their origin is checked when they are accepted. A page
    // can neither read an answer to a handshake nor set this header for other requests.
    const isHandshake = request.method === 'GET' && request.headers['sec-websocket-key'] !== undefined;
    if (isHandshake && VIEWERS.test(request.baseUrl + request.path) && isKnownHost(request.headers.host, settings)) return next();
    mayEdit(request, settings).then(
      (may) => (may ? next() : void response.status(403).type('text').send('Pages from elsewhere may not do that.\n')),
      next,
    );
  };
}

/** Whether a request to the editor's side does not come from a page of another site. */
export async function mayEdit(request: IncomingMessage, settings: SiteSettings): Promise<boolean> {
  if (settings.adminAuth) return true;
  const { host, origin } = request.headers;
  return isKnownHost(host, settings) && (isOwnOrigin(request, settings) || (await isAllowedOrigin(settings.httpAdminCors, origin)));
}

const ADMIN_ROUTES = '/streamdiffusion';
/** The addresses of WebSockets for viewers, but not of the editor's. Express matches paths case-insensitively. */
const VIEWERS = /\/streamdiffusion\/(?!(engine|models|denoisers|streams)(\/|$))[\w-]+(\/(camera|play|draw|wish))?\/?$/i;

/** Mounts the guard before this package's routes on the editor's side; must be called before each of them is mounted. */
export const guardAdmin = oncePerRed('httpAdmin', (RED) => {
  RED.httpAdmin.use(ADMIN_ROUTES, adminGuard(RED.settings as SiteSettings));
});

/** The host in lower case, without port and final dot; an IPv6 address without its brackets. */
function nameOf(host: string): string {
  const [, bracketed, plain = ''] = /^\[([^\]]*)\]|^([^:]*)/.exec(host.toLowerCase()) ?? [];
  return bracketed ?? plain.replace(/\.$/, '');
}

/** Accepts only JSON: browsers send forms from any site to any address, but JSON only where CORS allows it. */
export const onlyJson: RequestHandler = (request, response, next) =>
  request.is('json') ? next() : response.status(415).json({ code: 'EBADPARAM', message: 'send JSON' });

/** The roots of the editor and of the pages, for pages that use both: without a trailing slash, and safe in HTML. */
export function rootsOf(RED: NodeAPI): { admin: string; node: string } {
  const { httpAdminRoot, httpNodeRoot } = RED.settings as { httpAdminRoot?: string | false; httpNodeRoot?: string };
  return { admin: rootOf(httpAdminRoot), node: rootOf(httpNodeRoot) };
}

/** The root; `false` in the settings means that it is switched off. */
function rootOf(root: string | false | undefined): string {
  return root === false
    ? 'false'
    : encodeURI(root ?? '/')
        .replace(/["'<>&]/g, '')
        .replace(/\/+$/, '');
}
