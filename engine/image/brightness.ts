/** What black and white are to a net: -1..1 as exports of diffusers count, 0..1 as those of TAESD's authors. */
export type PixelRange = '-1..1' | '0..1';
