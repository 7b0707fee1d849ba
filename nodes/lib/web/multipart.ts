const BOUNDARY = 'frame';

/** The type of a multipart stream of JPEGs (MJPEG over HTTP). */
export const MULTIPART_TYPE = `multipart/x-mixed-replace; boundary=${BOUNDARY}`;
/** The line before each part. */
export const PART_BEGINS = Buffer.from(`--${BOUNDARY}\r\n`);

/** A JPEG as a part, without the boundary before it. */
export function partOf(jpeg: Uint8Array): Buffer {
  const head = Buffer.from(`Content-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
  return Buffer.concat([head, jpeg, Buffer.from('\r\n')]);
}
