const BOUNDARY = 'frame';

/** The type of a multipart stream of JPEGs (MJPEG over HTTP). */
export const MULTIPART_TYPE = `multipart/x-mixed-replace; boundary=${BOUNDARY}`;
/** What such a stream begins with. */
export const MULTIPART_HEAD = Buffer.from(`--${BOUNDARY}\r\n`);

/** A JPEG as one part, with the boundary of the next: who reads knows that a part is over when it sees what follows it. */
export function multipartOf(jpeg: Uint8Array): Buffer {
  const head = Buffer.from(`Content-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
  return Buffer.concat([head, jpeg, Buffer.from('\r\n'), MULTIPART_HEAD]);
}
