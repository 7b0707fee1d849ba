import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './reference';

export const MAIN = join(ROOT, 'dist/cli/main.js');

/** The command-line program as a process of its own. */
export class Program {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;

  constructor(args: string[], env: NodeJS.ProcessEnv = {}, cwd = ROOT) {
    this.child = spawn(process.execPath, [MAIN, ...args], { cwd, env: { ...process.env, ...env } });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => resolve(code ?? signal)));
  }

  /** Runs it to its end. */
  static async run(args: string[], env: NodeJS.ProcessEnv = {}, cwd = ROOT): Promise<Program & { code: number | NodeJS.Signals | null }> {
    const program = new Program(args, env, cwd);
    return Object.assign(program, { code: await program.ended });
  }
}
