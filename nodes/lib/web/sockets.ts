import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { WebSocketServer, type ServerOptions, type VerifyClientCallbackAsync, type VerifyClientCallbackSync, type WebSocket } from 'ws';
import { oncePerRed } from '../common/once-per-red';
import { isAllowedOrigin } from './http-cors';
import { LostHandshakes, type Lost } from './lost-handshakes';
import { isOwnOrigin, type SiteSettings } from './site';

/** The largest message from a visitor who sends pictures, bytes: a JPEG of a 4K camera has 2 to 4 MB. */
const MAX_PICTURE_BYTES = 8 * 1024 * 1024;
/** The largest message from a player or a visitor who draws, bytes: a prompt, a long stroke. */
const MAX_SETTING_BYTES = 64 * 1024;
/** The largest message from a viewer, bytes: there may be hundreds of them, and they send hardly anything. */
const MAX_WORD_BYTES = 1024;
const PING_MS = 20_000;
/** The deadline for accepting or answering a connection, ms. */
const HANDSHAKE_MS = 10_000;
/** The other side has this long to end a connection as well, ms. */
const LEAVE_MS = 1000;
/** The WebSocket close code "going away": the page reconnects to the node that replaces this one. */
const GONE = 1001;

/** The kind of messages that the other side sends. */
export type Brings = 'pictures' | 'settings' | 'words';

interface Settings extends SiteSettings {
  webSocketNodeVerifyClient?: VerifyClientCallbackAsync | VerifyClientCallbackSync;
}

interface Upgrade {
  socket: Duplex;
  head: Buffer;
  deadline: NodeJS.Timeout;
}

/**
 * WebSocket connections to addresses below /streamdiffusion/. Node-RED's login (`httpNodeAuth`) and other middleware only see
 * requests, so a connection is passed through the server's handlers like a request, up to the route of its address, which
 * accepts it or answers it as a request.
 */
export class WebSockets {
  readonly handshakes = new LostHandshakes();
  private readonly upgrades = new WeakMap<IncomingMessage, Upgrade>();
  private readonly sockets: Record<Brings, WebSocketServer>;

  private constructor(
    server: Server,
    root: string,
    private readonly settings: Settings,
  ) {
    const { webSocketNodeVerifyClient } = settings;
    const taking = (maxPayload: number): WebSocketServer => {
      const options: ServerOptions & { closeTimeout: number } = {
        noServer: true,
        clientTracking: false,
        perMessageDeflate: false,
        maxPayload,
        closeTimeout: LEAVE_MS,
        ...(webSocketNodeVerifyClient && { verifyClient: webSocketNodeVerifyClient }),
      };
      return new WebSocketServer(options);
    };
    this.sockets = {
      pictures: taking(MAX_PICTURE_BYTES),
      settings: taking(MAX_SETTING_BYTES),
      words: taking(MAX_WORD_BYTES),
    };
    const prefix = `${root.replace(/\/+$/, '')}/streamdiffusion/`;
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (!request.url?.startsWith(prefix)) return;
      const deadline = setTimeout(() => socket.destroy(), HANDSHAKE_MS).unref();
      this.upgrades.set(request, { socket, head, deadline });
      this.handshakes.arrived(request);
      sendThroughHandlers(server, request, socket);
    });
  }

  private static readonly ofServer = oncePerRed('server', ({ server, settings }) => {
    const { httpNodeRoot } = settings;
    return new WebSockets(server, typeof httpNodeRoot === 'string' ? httpNodeRoot : '/', settings as Settings);
  });

  /** The WebSockets of this Node-RED; undefined when it has no server of its own. */
  static of(RED: NodeAPI): WebSockets | undefined {
    const server = RED.server as Server | undefined;
    return typeof server?.on === 'function' ? WebSockets.ofServer(RED) : undefined;
  }

  /** Whether this request is a WebSocket's handshake. */
  wants(request: Request): boolean {
    return this.upgrades.has(request);
  }

  /**
   * Accepts the request as a WebSocket; answers 403 to a page of another site that `httpNodeCors` does not allow.
   *
   * @param brings the kind of messages, which limits their size
   * @param isThere whether the node still exists after the handshake: there may have been a deploy meanwhile
   * @param lost called when a proxy seems to have removed a header that the handshake needs
   */
  async accept(
    request: Request,
    response: Response,
    brings: Brings,
    isThere: () => boolean,
    lost?: (what: Lost, request: Request) => void,
  ): Promise<WebSocket | undefined> {
    const upgrade = this.upgrades.get(request);
    if (!upgrade) return undefined;
    const tell = (what: Lost): void => {
      this.handshakes.lost(request, what);
      lost?.(what, request);
    };
    if (request.headers['sec-websocket-key'] === undefined) {
      tell('Sec-WebSocket-Key');
      response.status(400).type('text').send('The header Sec-WebSocket-Key is missing: a proxy must pass it on.\n');
      return undefined;
    }
    if (!isOwnOrigin(request, this.settings) && !(await isAllowedOrigin(this.settings.httpNodeCors, request.headers.origin))) {
      tell('Host');
      response.status(403).type('text').send('Pages from elsewhere may not connect.\n');
      return undefined;
    }
    const { socket, head, deadline } = upgrade;
    this.upgrades.delete(request);
    if (socket.destroyed) return undefined;
    response.detachSocket(socket as Parameters<ServerResponse['detachSocket']>[0]);
    return new Promise((resolve) => {
      socket.once('close', () => resolve(undefined));
      this.sockets[brings].handleUpgrade(request, socket, head, (webSocket) => {
        clearTimeout(deadline);
        if (!isThere()) {
          webSocket.close(GONE);
          return resolve(undefined);
        }
        keepAlive(webSocket);
        resolve(webSocket);
      });
    });
  }
}

function sendThroughHandlers(server: Server, request: IncomingMessage, socket: Duplex): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0]);
  // The request was answered instead of accepted. Further data is ignored, and the connection ends without waiting for the other side.
  response.once('finish', () => {
    socket.end();
    socket.resume();
    setTimeout(() => socket.destroy(), LEAVE_MS).unref();
  });
  socket.on('error', () => socket.destroy());
  server.emit('request', request, response);
}

/** Ends a connection whose other side has silently disappeared. */
function keepAlive(socket: WebSocket): void {
  let alive = true;
  socket.on('pong', () => (alive = true));
  // An error of a message is followed by 'close'.
  socket.on('error', () => undefined);
  const timer = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, PING_MS).unref();
  socket.once('close', () => clearInterval(timer));
}
