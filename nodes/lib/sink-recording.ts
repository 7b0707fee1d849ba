import { spawn, type ChildProcess } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from '../../engine/errors';
import { jpegSize } from './jpeg';
import type { ShownPicture, Viewer } from './viewer';

const GUARD_MS = 5000;
const END_MS = 4000;
const STDERR_TAIL = 500;

export interface RecordingOptions {
  /** ffmpeg's path, or its name to be found on PATH. */
  ffmpeg: string;
  file: string;
  /** Ends when the disk has less room than that, bytes. */
  minFree: number;
}

/**
 * Writes what a sink shows to an MP4 file, each picture at the moment when it was shown, through an ffmpeg process that
 * starts with the first picture (the first half second, while it starts, is run together). The file can be played up to its last second even if the power fails. A picture that
 * comes while ffmpeg is busy is left out.
 */
export class Recording implements Viewer {
  private child: ChildProcess | undefined;
  private exited: Promise<void> = Promise.resolve();
  private guard: NodeJS.Timeout | undefined;
  private isBusy = false;
  private isOver = false;

  /** @param onFailure told once, when it ends by itself; it must be removed from the feed then */
  constructor(
    private readonly options: RecordingOptions,
    private readonly onFailure: (error: EngineError) => void,
  ) {
    this.guard = setInterval(() => void this.checkDisk(), GUARD_MS).unref();
    void this.checkDisk();
  }

  show({ jpeg }: ShownPicture): void {
    if (this.isOver) return;
    if (!this.child) this.start(jpeg);
    const stdin = this.child?.stdin;
    if (!stdin || this.isBusy) return;
    this.isBusy = !stdin.write(jpeg);
    if (this.isBusy) stdin.once('drain', () => (this.isBusy = false));
  }

  end(): void {
    void this.finish();
  }

  /** Resolves when the file is whole. */
  async finish(): Promise<void> {
    this.isOver = true;
    clearInterval(this.guard);
    this.child?.stdin?.end();
    const force = setTimeout(() => this.child?.kill('SIGKILL'), END_MS);
    await this.exited;
    clearTimeout(force);
  }

  private start(first: Buffer): void {
    const { ffmpeg, file } = this.options;
    const { width = 2, height = 2 } = jpegSize(first) ?? {};
    const child = spawn(ffmpeg, recordingArguments(file, width, height), { stdio: ['pipe', 'ignore', 'pipe'], windowsHide: true });
    this.child = child;
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk).slice(-STDERR_TAIL)));
    // Told by the exit, in ffmpeg's own words.
    child.stdin.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const reason = error.code === 'ENOENT' ? `ffmpeg was not found as "${ffmpeg}": install it, or give its path in the settings` : error.message;
        this.fail('ESOURCE', reason);
        resolve();
      });
      child.once('close', (code) => {
        if (code !== 0) this.fail('EDISK', stderr.trim() || `ffmpeg ended with code ${code}`);
        resolve();
      });
    });
  }

  private async checkDisk(): Promise<void> {
    const { file, minFree } = this.options;
    const disk = await statfs(dirname(file)).catch(() => undefined);
    if (!disk || disk.bavail * disk.bsize >= minFree) return;
    this.fail('EDISK', `the disk has less than ${minFree / 1e9} GB left`);
  }

  private fail(code: 'ESOURCE' | 'EDISK', reason: string): void {
    if (this.isOver) return;
    void this.finish();
    this.onFailure(new EngineError(code, `the recording ${this.options.file} ended: ${reason}`));
  }
}

function recordingArguments(file: string, width: number, height: number): string[] {
  // H.264 wants even sides; pictures of another size that come later are fitted into those of the first.
  const [w, h] = [width + (width % 2), height + (height % 2)];
  return [
    '-hide_banner', '-loglevel', 'error', '-n',
    '-use_wallclock_as_timestamps', '1', '-framerate', '60', '-f', 'image2pipe', '-c:v', 'mjpeg', '-i', 'pipe:0',
    '-vf', `scale=${w}:${h}:force_original_aspect_ratio=decrease,pad=${w}:${h}:-1:-1`,
    '-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20', '-pix_fmt', 'yuv420p', '-g', '60',
    '-movflags', '+frag_keyframe+empty_moov+default_base_moof', `file:${file}`,
  ];
}
