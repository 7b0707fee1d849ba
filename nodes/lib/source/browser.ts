import type { CameraDoor } from './camera-door';
import type { Producer, ProducerEvents } from '../common/producer';

/** The camera or screen of the visitor who has the camera page open. */
export class BrowserProducer implements Producer {
  constructor(
    private readonly door: CameraDoor,
    events: ProducerEvents,
  ) {
    door.open(events);
  }

  async stop(): Promise<void> {
    this.door.close();
  }
}
