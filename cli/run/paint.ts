import { EngineError } from '../../engine/errors';
import type { Output, Stream, StreamInput } from '../../engine/types';
import type { Controls } from './controls';
import type { Frame, FrameSink, FrameSource } from './frames';

export interface Painting {
  source: FrameSource;
  sink: FrameSink;
  stream: Stream;
  controls: Controls;
  width: number;
  height: number;
  signal: AbortSignal;
  /** Called when a frame is done, rendered or skipped. */
  onFrame: (done: number) => void;
  /** Called when a frame cannot be read. */
  onSkipped: (name: string, error: EngineError) => void;
}

/**
 * Sends every frame through the stream, whose steps overlap, and writes the results to the sink in order. Frames that cannot be
 * read are left out. After Ctrl+C or a failure, no incomplete file is left.
 *
 * @returns the number of rendered frames
 */
export async function paint({ source, sink, stream, controls, width, height, signal, onFrame, onSkipped }: Painting): Promise<number> {
  let painted = 0;
  let skipped = 0;
  const write = async (outputs: Output[]): Promise<void> => {
    for (const { id, image } of outputs) {
      await sink.write(String(id), image);
      painted++;
      onFrame(painted + skipped);
    }
  };
  try {
    for await (const frame of source.frames(width, height)) {
      if (signal.aborted) throw new EngineError('ECLOSED', 'stopped');
      const ready = await withControls(frame, controls);
      if ('error' in ready) {
        skipped++;
        onSkipped(ready.name, ready.error);
      } else {
        await write(await stream.process(ready));
      }
    }
    await write(await stream.flush());
    await sink.finish();
    return painted;
  } catch (thrown) {
    await sink.abandon();
    throw thrown;
  } finally {
    await controls.close();
  }
}

/** A frame with its control pictures for the stream, or the error if one of them cannot be read. */
async function withControls(frame: Frame, controls: Controls): Promise<StreamInput | Extract<Frame, { error: EngineError }>> {
  if ('error' in frame) return frame;
  const { name, image } = frame;
  try {
    return { id: name, image, pictures: await controls.of(image) };
  } catch (thrown) {
    return { name, error: EngineError.from(thrown, 'EBADFRAME') };
  }
}
