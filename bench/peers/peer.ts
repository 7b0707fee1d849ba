import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Time limit for loading full-size nets and comparing them with their ONNX files, ms. */
const LOADING_LIMIT = 600_000;
const RUN_LIMIT = 600_000;

/** A program that renders frames on request over its stdin, and answers with the time that they took. */
export class Peer {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(command: string, args: string[]) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface(this.child.stdout!)[Symbol.asyncIterator]();
  }

  /** Resolves to a description of the program, once it has loaded. */
  async ready(): Promise<string> {
    return (await this.hear(LOADING_LIMIT)).ready as string;
  }

  /** @returns ms per frame */
  async run(order: { peer?: string; steps: number[]; frames: number }): Promise<number> {
    this.child.stdin!.write(`${JSON.stringify(order)}\n`);
    return ((await this.hear(RUN_LIMIT)).seconds as number) * (1000 / order.frames);
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  /** The next line that is an answer, since libraries also print to stdout. */
  private async hear(limit: number): Promise<Record<string, unknown>> {
    const timeout = setTimeout(() => this.end(), limit);
    try {
      for (;;) {
        const { value, done } = await this.lines.next();
        if (done) throw new Error(`${this.child.spawnargs.join(' ')} has ended (code ${this.child.exitCode})`);
        if (value.startsWith('{')) return JSON.parse(value) as Record<string, unknown>;
      }
    } finally {
      clearTimeout(timeout);
    }
  }
}
