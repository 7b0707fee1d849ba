import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { EngineError } from '../../engine/errors';
import type { FrameSink, FrameSource } from './frames';
import type { RunOptions } from './options';
import { PICTURE_EXTENSIONS, PictureFileSink, PictureSink, PictureSource } from './pictures';
import { VIDEO_EXTENSIONS, VideoSink, VideoSource } from './video';

/** Opens the input and determines the output. Rejects with ESOURCE or EBADPARAM; nothing is written yet. */
export async function openEnds(options: RunOptions): Promise<{ source: FrameSource; sink: FrameSink }> {
  const { input, output, format, fps } = options;
  const extension = extname(output).toLowerCase();
  const isVideo = VIDEO_EXTENSIONS.includes(extension);
  await checkOutput(options, isVideo || PICTURE_EXTENSIONS.includes(extension));
  const source = await openSource(input);
  if (isVideo) {
    const sink = source instanceof VideoSource ? new VideoSink(output, source.rate, source.path) : new VideoSink(output, fps);
    return { source, sink };
  }
  if (!PICTURE_EXTENSIONS.includes(extension)) return { source, sink: new PictureSink(output, format) };
  if (!['.png', '.jpg', '.jpeg'].includes(extension))
    throw new EngineError('EBADPARAM', `${output} cannot be written; a picture is .png or .jpg`);
  if (source instanceof VideoSource || source.count !== 1) {
    throw new EngineError('EBADPARAM', `${output} is one picture, and ${input} holds more; name a folder or a video`);
  }
  return { source, sink: new PictureFileSink(output) };
}

/** Opens a picture, a folder or a video. Rejects with ESOURCE for anything else. */
export async function openSource(input: string): Promise<FrameSource> {
  const found = await stat(input).catch(() => undefined);
  if (!found) throw new EngineError('ESOURCE', `there is no ${input}`);
  if (found.isDirectory()) return PictureSource.ofFolder(input);
  const extension = extname(input).toLowerCase();
  // A .gif may be animated.
  return PICTURE_EXTENSIONS.includes(extension) && extension !== '.gif' ? PictureSource.ofFile(input) : VideoSource.open(input);
}

/** Refuses to overwrite existing files unless told to, and the input in any case. */
async function checkOutput({ input, output, overwrite }: RunOptions, isFile: boolean): Promise<void> {
  const found = await stat(output).catch(() => undefined);
  if (!found) return;
  if ((await realpath(output)) === (await realpath(input).catch(() => resolve(input)))) {
    throw new EngineError('EBADPARAM', `${output} is the input itself; name another output`);
  }
  if (found.isDirectory() === isFile) {
    const instead = isFile ? 'a file' : 'a folder, or a file that ends in .mp4 or .png';
    throw new EngineError('EBADPARAM', `${output} is ${isFile ? 'a folder' : 'a file'}; name ${instead}`);
  }
  const isEmpty = found.isDirectory() && (await readdir(output)).length === 0;
  if (!overwrite && !isEmpty) throw new EngineError('EBADPARAM', `${output} is there already; name another output, or add --overwrite`);
}
