import { EngineError } from '../../../engine/errors';
import { codecPool } from '../../../engine/image/codec-pool';
import { Pacer } from './pacer';
import { JPEG_QUALITY, type FrameFormat, type Producer, type ProducerEvents } from '../common/producer';
import { testCard } from './test-card';

/** Draws the moving test card. */
export class TestCardProducer implements Producer {
  private readonly pacer: Pacer;
  private stopped = false;

  constructor({ fps, width, height }: FrameFormat, events: ProducerEvents) {
    this.pacer = new Pacer(1000 / fps, async (elapsedMs) => {
      try {
        const jpeg = await codecPool.drawSvg(testCard(elapsedMs, width, height), JPEG_QUALITY);
        if (!this.stopped) events.frame(jpeg);
      } catch (thrown) {
        if (this.stopped) return;
        void this.stop();
        events.failed(EngineError.from(thrown, 'ESOURCE', 'the test card cannot be drawn: '));
      }
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.pacer.stop();
  }
}
