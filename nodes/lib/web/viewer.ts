/** A picture as the viewers of a sink get it. */
export interface ShownPicture {
  jpeg: Buffer;
  /** `msg.frame`, as far as it is known. */
  frame: unknown;
  /** When it came to the sink, ms since 1970. */
  at?: number;
}

/** Somebody who looks at a sink: a browser, or a program that records. None of them may hold up the others. */
export interface Viewer {
  /** Takes the picture at once, or keeps it as the newest one for later; never more than one. */
  show(picture: ShownPicture): void;
  /** The audience is to see black, or the pictures again, within so many ms. Who does not do this gets a black picture. */
  curtain?(isBlack: boolean, fadeMs: number): void;
  /** No more pictures will come. */
  end(): void;
}

/** A viewer that has taken nothing for this long is gone, though its connection does not say so. */
export const STALLED_MS = 30_000;
