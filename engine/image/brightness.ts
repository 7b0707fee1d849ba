/** The pixel range of a net: -1..1 in exports of diffusers, 0..1 in those of TAESD's authors. */
export type PixelRange = '-1..1' | '0..1';
