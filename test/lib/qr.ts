import sharp from 'sharp';

/** Reads the text of a QR code in a picture; rejects if there is none. */
export async function readCode(picture: Buffer): Promise<string> {
  // The library is an ES module, and the tests are not.
  const { default: decode } = await import('qr/decode.js');
  const { data, info } = await sharp(picture).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return decode({ width: info.width, height: info.height, data: Uint8Array.from(data) });
}
