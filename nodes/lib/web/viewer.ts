/** A picture for the viewers of a sink. */
export interface ShownPicture {
  jpeg: Buffer;
  /** `msg.frame`, as far as it is known. */
  frame: unknown;
  /** When it came to the sink, ms since 1970. */
  at?: number;
}

/** A viewer of a sink: a browser, or a program that records. None may delay the others. */
export interface Viewer {
  /** Takes the picture at once, or keeps it as the newest one for later; never more than one. */
  show(picture: ShownPicture): void;
  /** Fades to black, or back, within `fadeMs`. A viewer without this method gets a black picture. */
  curtain?(isBlack: boolean, fadeMs: number): void;
  /** No more pictures will come. */
  end(): void;
}

/** A viewer that has taken nothing for this long is disconnected, even if its connection seems alive, ms. */
export const STALLED_MS = 30_000;
