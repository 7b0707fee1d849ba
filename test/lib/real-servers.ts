import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './reference';
import { freePort } from './server';

/** Where test/servers/setup.sh puts real inference servers. */
const FOLDER = process.env.STREAMDIFFUSION_TEST_SERVERS || join(homedir(), '.cache/streamdiffusion/test-servers');
const READY_LIMIT_MS = 120_000;

/** Why a server cannot be started here, or undefined. */
export function reasonWithout(server: 'triton' | 'kserve'): string | undefined {
  if (process.platform === 'linux' && existsSync(join(FOLDER, server, 'bin/python'))) return undefined;
  return `skipped: no ${server === 'triton' ? 'Triton' : 'KServe'} in ${FOLDER}; "sh test/servers/setup.sh" brings it from PyPI`;
}

/** Makes a net in half precision, inputs and outputs included, from one in single precision. */
export async function inHalf(source: string, target: string): Promise<void> {
  await promisify(execFile)(join(FOLDER, 'triton/bin/python'), [join(ROOT, 'test/servers/half.py'), source, target], { cwd: tmpdir() });
}

/** A real inference server in a process group of its own. */
export class RealServer {
  private output = '';
  readonly exited: Promise<void>;

  private constructor(
    private readonly child: ChildProcess,
    readonly httpPort: number,
    readonly grpcPort: number,
    /** The prefix of its files in /dev/shm. */
    private readonly memory: string | undefined,
  ) {
    const collect = (chunk: Buffer): void => {
      this.output = (this.output + chunk.toString()).slice(-20_000);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    this.exited = new Promise((ended) => child.once('exit', () => ended()));
  }

  /** NVIDIA Triton with the model repository `repository`. */
  static async triton(repository: string, ports?: { httpPort: number; grpcPort: number }, options: string[] = []): Promise<RealServer> {
    const { httpPort, grpcPort } = ports ?? { httpPort: await freePort(), grpcPort: await freePort() };
    const packages = join(FOLDER, 'triton-packages');
    const server = join(packages, 'pytriton/tritonserver');
    const memory = `sdtest${httpPort}_`;
    const child = spawn(
      join(server, 'bin/tritonserver'),
      [
        `--model-repository=${repository}`,
        `--backend-directory=${join(FOLDER, 'backends')}`,
        `--backend-config=python,shm-region-prefix-name=${memory}`,
        ...['--http-address=127.0.0.1', `--http-port=${httpPort}`, '--grpc-address=127.0.0.1', `--grpc-port=${grpcPort}`],
        ...['--allow-metrics=false', '--exit-timeout-secs=2', ...options],
      ],
      {
        detached: true,
        env: {
          ...process.env,
          PATH: `${join(FOLDER, 'triton/bin')}:${process.env.PATH}`,
          PYTHONPATH: packages,
          LD_LIBRARY_PATH: join(server, 'external_libs'),
        },
      },
    );
    return new RealServer(child, httpPort, grpcPort, memory).ready();
  }

  /** KServe's model server. @param models ONNX files by the names of the nets */
  static async kserve(models: Record<string, string>): Promise<RealServer> {
    const [httpPort, grpcPort] = [await freePort(), await freePort()];
    const script = join(ROOT, 'test/servers/kserve_server.py');
    const nets = Object.entries(models).map(([name, path]) => `${name}=${path}`);
    const child = spawn(join(FOLDER, 'kserve/bin/python'), [script, String(httpPort), String(grpcPort), ...nets], { detached: true });
    return new RealServer(child, httpPort, grpcPort, undefined).ready();
  }

  get http(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  get grpc(): string {
    return `grpc://127.0.0.1:${this.grpcPort}`;
  }

  /** Pauses its processes, so that connections stay open and nothing is answered. */
  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  /** Ends it at once and completely. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
    if (this.memory)
      for (const name of readdirSync('/dev/shm')) if (name.startsWith(this.memory)) rmSync(join('/dev/shm', name), { force: true });
  }

  private signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.child.pid!, signal);
    } catch {
      // The server has ended by itself.
    }
  }

  private async ready(): Promise<this> {
    for (const deadline = Date.now() + READY_LIMIT_MS; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
      if (
        await fetch(`${this.http}/v2/health/ready`).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return this;
      if (this.child.exitCode === null && Date.now() < deadline) continue;
      await this.kill();
      throw new Error(`the server did not come up:\n${this.output}`);
    }
  }
}
