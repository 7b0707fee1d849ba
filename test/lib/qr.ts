import sharp from 'sharp';

/** What a QR code in a picture says; rejects where a reader finds none. */
export async function readCode(picture: Buffer): Promise<string> {
  // An ES module, in tests that are none.
  const { default: decode } = await import('qr/decode.js');
  const { data, info } = await sharp(picture).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return decode({ width: info.width, height: info.height, data: Uint8Array.from(data) });
}
