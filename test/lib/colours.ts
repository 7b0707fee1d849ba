import sharp from 'sharp';

/** A picture of one colour, to be written in any format. */
export const coloured = (colour: string, width = 64, height = 48): sharp.Sharp =>
  sharp({ create: { width, height, channels: 3, background: colour } });

/** Writes a picture of one colour to a file; its name says the format. */
export async function solid(colour: string, file: string, width = 40, height = 30): Promise<void> {
  await coloured(colour, width, height).toFile(file);
}

/** The mean colour of a JPEG, [r, g, b]. */
export async function meanColour(jpeg: unknown): Promise<number[]> {
  const { channels } = await sharp(jpeg as Buffer).stats();
  return channels.map((channel) => channel.mean);
}

export const isMostly = (colour: number[], channel: number): boolean =>
  colour.every((value, i) => (i === channel ? value > 180 : value < 80));

/** r, g or b; k for black. */
export const colourName = (colour: number[]): string => ['r', 'g', 'b'].find((_, channel) => isMostly(colour, channel)) ?? 'k';
