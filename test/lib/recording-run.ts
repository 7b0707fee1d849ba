/** One recording of a sink in its own Node-RED, and how it ends; when forked, this file is that Node-RED. */
import { execFile, fork, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { testCard } from '../../nodes/lib/source/test-card';
import sink from '../../nodes/sink';
import { calls, helper, PATIENCE, startFlow, until } from './flow';

export const ENDS = ['stop', 'kill of ffmpeg', 'kill of Node-RED'] as const;
export type End = (typeof ENDS)[number];

export interface RecordingRun {
  fps: number;
  /** Pixels per side. */
  size: number;
  seconds: number;
  end: End;
  /** The folder of the file. */
  folder: string;
}

export interface RecordingResult {
  /** Time from the first picture to the end, seconds. */
  recorded: number;
  /** Time from the first decodable picture to the last one, seconds. */
  playable: number;
  /** Pictures sent, and pictures in the file, where a picture that stays is written more than once. */
  sent: number;
  decoded: number;
  /** Errors that the node reported. */
  errors: string[];
}

type Word = { file: string } | { began: number } | { ended: number; sent: number; errors: string[] };

export async function recordingRun(run: RecordingRun): Promise<RecordingResult> {
  const { seconds, end } = run;
  const child = fork(__filename, [JSON.stringify(run)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const gone = once(child, 'exit');
  try {
    const { file } = (await word(child)) as { file: string };
    await word(child);
    const began = performance.now();
    const pause = 1000 * seconds - 20;
    await new Promise((resolve) => setTimeout(resolve, pause));
    // To find them takes its time on a busy machine, in which the recording goes on.
    const writers = ffmpegOf(child.pid!);
    let recorded = (performance.now() - began) / 1000;
    if (end === 'kill of Node-RED') {
      child.kill('SIGKILL');
      await gone;
      await Promise.all(writers.map(untilGone));
      return { recorded, ...(await lengthOf(file)), sent: NaN, errors: [] };
    }
    if (end === 'kill of ffmpeg') for (const pid of writers) process.kill(pid, 'SIGKILL');
    child.send('end');
    const said = (await word(child)) as { ended: number; sent: number; errors: string[] };
    if (end === 'stop') recorded = said.ended / 1000;
    return { recorded, ...(await lengthOf(file)), sent: said.sent, errors: said.errors };
  } finally {
    child.kill('SIGKILL');
  }
}

async function word(child: ChildProcess): Promise<Word> {
  const [said] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('Node-RED ended too early');
    }),
  ])) as [Word];
  return said;
}

function ffmpegOf(parent: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,comm=', '--ppid', String(parent)], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line.includes('ffmpeg'))
    .map((line) => parseInt(line, 10));
}

async function untilGone(pid: number): Promise<void> {
  const isGone = (): boolean => {
    try {
      return !process.kill(pid, 0);
    } catch {
      return true;
    }
  };
  await until(isGone, PATIENCE, () => `ffmpeg ${pid} outlived Node-RED`);
}

/** Decodes the file. */
export async function lengthOf(file: string): Promise<{ playable: number; decoded: number }> {
  const { stdout } = await promisify(execFile)(
    'ffprobe',
    ['-v', 'error', '-select_streams', 'v', '-show_entries', 'frame=pts_time', '-of', 'csv=p=0', file],
    { maxBuffer: 1e8 },
  );
  const times = stdout
    .split('\n')
    .map((line) => parseFloat(line))
    .filter((time) => !Number.isNaN(time));
  return { playable: times.length === 0 ? 0 : Math.max(...times) - Math.min(...times), decoded: times.length };
}

/** The Node-RED of one recording, which plays at a steady rate once the recording has begun. */
async function playAndRecord({ fps, size, folder }: RecordingRun): Promise<void> {
  const pictures = await Promise.all(
    Array.from({ length: 12 }, (_, k) =>
      sharp(Buffer.from(testCard(k * 100, size, size)))
        .jpeg({ quality: 85 })
        .toBuffer(),
    ),
  );
  await startFlow(
    [sink],
    [
      { id: 'sink', type: 'streamdiffusion-sink', name: 'run', folder, minFree: '0', wires: [['out']] },
      { id: 'out', type: 'helper' },
    ],
  );
  const errors = calls('sink', 'error');
  const tell = (msg: object): void => helper.getNode('sink').receive(msg as NodeMessage);
  const files: string[] = [];
  helper.getNode('out').on('input', ({ filename }: NodeMessage) => {
    if (filename) files.push(String(filename));
  });
  const say = (said: Word): void => void process.send!(said);
  tell({ record: true });
  while (files.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  say({ file: files[0] });
  const began = performance.now();
  let sent = 0;
  say({ began });
  const timer = setInterval(() => {
    // Timers of a busy process fire late; pictures due meanwhile are left out, as a camera does.
    const due = Math.floor(((performance.now() - began) / 1000) * fps) + 1;
    if (due <= sent) return;
    sent = due;
    tell({ payload: pictures[sent % pictures.length], frame: { id: sent } });
  }, 2);
  process.once('message', () => {
    clearInterval(timer);
    const ended = performance.now() - began;
    tell({ record: false });
    // A recording that has already ended writes no file, and an error says so.
    const wait = setInterval(() => {
      if (files.length < 2 && errors.length === 0) return;
      clearInterval(wait);
      say({ ended, sent, errors: errors.map(String) });
    }, 20);
  });
}

if (require.main === module) void playAndRecord(JSON.parse(process.argv[2]) as RecordingRun);
