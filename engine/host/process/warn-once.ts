import type { ErrorCode } from '../../errors';

const WARNINGS_REMEMBERED = 100;

/** Passes each warning on once: prompts and settings may change with every frame. */
export class WarnOnce {
  private readonly told = new Set<string>();

  constructor(private readonly onWarning: (text: string, code?: ErrorCode) => void) {}

  tell(warnings: readonly string[], code?: ErrorCode): void {
    for (const text of warnings) {
      if (this.told.has(text)) continue;
      if (this.told.size >= WARNINGS_REMEMBERED) this.told.clear();
      this.told.add(text);
      this.onWarning(text, code);
    }
  }
}
