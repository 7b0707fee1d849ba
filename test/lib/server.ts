import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { PATIENCE, until } from './flow';

const ROOT = resolve(__dirname, '../../..');

type Flow = { type: string }[];

/** A flow with other fields in the nodes of this type. */
export const changed = (flow: Flow, type: string, fields: object): Flow =>
  flow.map((node) => (node.type === type ? { ...node, ...fields } : node));

/** The example flow in its own Node-RED, started as `npm start` does, on a free port and in a fresh folder. */
export class Server {
  output = '';
  readonly exited: Promise<number | null>;

  private constructor(
    readonly child: ChildProcess,
    /** http://127.0.0.1:PORT */
    readonly address: string,
    readonly folder: string,
  ) {
    const collect = (chunk: Buffer): void => {
      this.output += chunk;
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    this.exited = new Promise((ended) => child.once('exit', ended));
  }

  static async start(options: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Server> {
    const port = env.PORT ?? String(await freePort());
    const folder = await mkdtemp(join(tmpdir(), 'start-'));
    const child = spawn(process.execPath, [join(ROOT, 'scripts/start.mjs'), '--user-dir', folder, ...options], {
      env: { ...process.env, PORT: port, ...env },
    });
    return new Server(child, `http://127.0.0.1:${port}`, folder);
  }

  /** Starts this flow instead of the example, in the caller's folder; resolves when it runs. */
  static async startWith(flow: object[], folder: string): Promise<Server> {
    await writeFile(join(folder, 'flows.json'), JSON.stringify(flow));
    const server = await Server.start(['--user-dir', folder]);
    await server.ready();
    return server;
  }

  /** Waits until the editor answers, and the live picture if the example has one. */
  async ready(): Promise<void> {
    await until(
      () => /^ {2}Editor /m.test(this.output) || this.child.exitCode !== null,
      PATIENCE,
      () => this.output,
    );
    if (this.child.exitCode !== null) throw new Error(`the server ended with code ${this.child.exitCode}:\n${this.output}`);
  }

  /** Replaces the running flow, as the editor does on Deploy. */
  async deploy(flow: readonly object[], kind: 'full' | 'flows' | 'nodes' = 'full'): Promise<void> {
    const response = await fetch(`${this.address}/flows`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Node-RED-Deployment-Type': kind },
      body: JSON.stringify(flow),
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (response.status !== 204) throw new Error(`a deploy was answered with ${response.status}`);
  }

  /** The running flow. */
  async flow(): Promise<Flow> {
    return (await (await fetch(`${this.address}/flows`)).json()) as Flow;
  }

  /** Deploys the running flow with other fields in the nodes of this type. */
  async change(type: string, fields: object, kind?: 'full' | 'nodes'): Promise<void> {
    await this.deploy(changed(await this.flow(), type, fields), kind);
  }

  /** Ends it as a service manager would; resolves to its exit code. */
  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    const code = await this.exited;
    await rm(this.folder, { recursive: true, force: true });
    return code;
  }
}

/**
 * A server at `port` that accepts one WebSocket and then stays silent, like a Node-RED that is just starting; resolves
 * when one has come, to the time after which the other side gives up, ms.
 */
export async function takeOneAndLeaveIt(port: number): Promise<{ givenUp: Promise<number> }> {
  const server = createHttpServer();
  const taken = new Promise<Duplex>((resolve) => server.once('upgrade', (_, socket: Duplex) => resolve(socket)));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const socket = await taken;
  const since = performance.now();
  server.close();
  socket.on('error', () => undefined).resume();
  // When the other side ends its half, this side must end its own.
  socket.once('end', () => socket.end());
  return { givenUp: new Promise((resolve) => socket.once('close', () => resolve(performance.now() - since))) };
}

/**
 * A port of this machine on which nothing listens. It is none of those that systems give away by themselves, so that no other
 * program gets it before it is used.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(11_000, 32_000);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) =>
      probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)),
    );
    if (!isFree) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}
