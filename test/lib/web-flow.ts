import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import type { NodeAPI } from 'node-red';
import WebSocket from 'ws';
import { helper, startFlow, type FlowNode } from './flow';

type NodeModule = (RED: NodeAPI) => void;
/** A handler that a server puts before Node-RED's nodes, such as its login. */
export type Guard = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

export type Visitor = WebSocket & {
  /** Received messages: texts parsed from JSON, pictures as Buffers. */
  heard: unknown[];
  /** The code with which it was closed. */
  closed: Promise<number>;
};

/** A flow of Node-RED whose nodes are reached over HTTP and WebSocket, at a free port of this machine. */
export class WebFlow {
  private constructor(
    readonly server: Server,
    /** http://127.0.0.1:PORT/streamdiffusion */
    readonly address: string,
  ) {}

  static async start(
    modules: NodeModule[],
    flow: FlowNode[],
    { settings = {}, guard = (_, __, next) => next() }: { settings?: object; guard?: Guard } = {},
  ): Promise<WebFlow> {
    let app: Express | undefined;
    const server = createServer((request, response) => guard(request, response, () => app?.(request, response)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    helper.settings(settings);
    const intoServer = (RED: NodeAPI): void => {
      app = RED.httpNode;
      Object.assign(RED, { server });
    };
    await startFlow([intoServer, ...modules], flow);
    return new WebFlow(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}/streamdiffusion`);
  }

  /** Opens a WebSocket; resolves to it, or to the status with which it was refused. */
  async socket(path: string, headers: Record<string, string> = {}): Promise<Visitor | number> {
    const socket = new WebSocket(`${this.address.replace('http', 'ws')}/${path}`, { headers });
    const heard: unknown[] = [];
    socket.on('message', (data: Buffer, isBinary) => heard.push(isBinary ? data : JSON.parse(data.toString())));
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(Object.assign(socket, { heard, closed })));
      socket.once('unexpected-response', (request, response) => {
        resolve(response.statusCode ?? 0);
        response.resume();
        request.destroy();
      });
      socket.once('error', reject);
    });
  }

  /** Opens a {@link socket} that must not be refused. */
  async enter(path: string, headers: Record<string, string> = {}): Promise<Visitor> {
    const socket = await this.socket(path, headers);
    if (typeof socket === 'number') throw new Error(`${path} was refused with ${socket}`);
    return socket;
  }

  async stop(): Promise<void> {
    await helper.unload();
    this.server.closeAllConnections();
    this.server.close();
  }
}
