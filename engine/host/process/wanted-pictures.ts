import { EngineError } from '../../errors';
import type { Picture } from '../../image/picture';

/** The deadline for an answer, ms. The flow's process answers at once unless something blocks it. */
const LIMIT_MS = 20_000;

interface Wanted {
  picture: Promise<Picture>;
  settle: (picture: Picture | EngineError) => void;
}

/** Pictures of prompts that were requested by id and have not arrived: each is requested once, however many want it. */
export class WantedPictures {
  private readonly wanted = new Map<string, Wanted>();

  /** @param ask sends a request to the other process, whose answer is passed to {@link take} */
  constructor(
    private readonly ask: (id: string) => void,
    private readonly limitMs = LIMIT_MS,
  ) {}

  /** Rejects with EBADPROMPT where nobody has it, ETIMEOUT. */
  find(id: string): Promise<Picture> {
    const known = this.wanted.get(id);
    if (known) return known.picture;
    let settle: Wanted['settle'] = () => undefined;
    const picture = new Promise<Picture>((resolve, reject) => {
      const late = setTimeout(
        () => settle(new EngineError('ETIMEOUT', `a picture of the prompt has not arrived within ${this.limitMs / 1000} s`)),
        this.limitMs,
      );
      settle = (result) => {
        clearTimeout(late);
        this.wanted.delete(id);
        if (result instanceof EngineError) reject(result);
        else resolve(result);
      };
    });
    this.wanted.set(id, { picture, settle });
    this.ask(id);
    return picture;
  }

  take(id: string, picture: Picture | undefined): void {
    const gone = new EngineError('EBADPROMPT', 'a picture of the prompt is no longer kept; send it again through the prompt encoder');
    this.wanted.get(id)?.settle(picture ?? gone);
  }
}
