import { EngineError } from '../../errors';
import type { Picture } from '../../image/picture';

/** The flow's process answers at once unless something holds it, ms. */
const LIMIT_MS = 20_000;

interface Wanted {
  picture: Promise<Picture>;
  settle: (picture: Picture | EngineError) => void;
}

/** Pictures of prompts that were asked for, by their ids, and have not come: each is asked for once, whoever wants it. */
export class WantedPictures {
  private readonly wanted = new Map<string, Wanted>();

  /** @param ask the other process, which answers with {@link take} */
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
        () => settle(new EngineError('ETIMEOUT', `a picture of the prompt has not come within ${this.limitMs / 1000} s`)),
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
    const gone = new EngineError('EBADPROMPT', 'a picture of the prompt is not kept any more; send it again through the prompt encoder');
    this.wanted.get(id)?.settle(picture ?? gone);
  }
}
