import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Context } from 'mocha';
import type { FfmpegInput } from '../../nodes/lib/ffmpeg/arguments';
import { FfmpegProducer } from '../../nodes/lib/ffmpeg/ffmpeg';

/** `before(needFfmpeg)` skips tests, and says why, on a machine without ffmpeg. */
export async function needFfmpeg(this: Context): Promise<void> {
  await promisify(execFile)('ffmpeg', ['-version']).catch(() => {
    console.log('      skipped: ffmpeg is not installed');
    this.skip();
  });
}

/** A camera of this machine, as a source asks ffmpeg for it. */
export const CAMERA = { kind: 'camera', input: '/dev/video0', fps: 25, width: 512, height: 512, loop: true, start: 0, speed: 1 } as const;

/** What ffmpeg gives of an input, at 64 × 48 and 25 a second where the input does not say otherwise. */
export function play(
  input: Partial<FfmpegInput> & Pick<FfmpegInput, 'kind' | 'input'>,
  ffmpeg = 'ffmpeg',
): { producer: FfmpegProducer; pictures: Buffer[]; errors: string[] } {
  const pictures: Buffer[] = [];
  const errors: string[] = [];
  const producer = new FfmpegProducer(
    ffmpeg,
    { fps: 25, width: 64, height: 48, loop: true, start: 0, speed: 1, ...input },
    {
      frame: (jpeg) => pictures.push(jpeg),
      failed: (error) => errors.push(error.message),
      waiting: () => undefined,
      ended: () => undefined,
    },
  );
  return { producer, pictures, errors };
}
