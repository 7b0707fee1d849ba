/** One picture of a multipart stream, with the header lines that came before it. */
export interface Part {
  head: string;
  jpeg: Buffer;
}

/** Reads `multipart/x-mixed-replace` from an address, part by part, until the stream ends or the reader returns. */
export async function* readMjpeg(address: string, headers: Record<string, string> = {}): AsyncGenerator<Part, void, void> {
  const stop = new AbortController();
  try {
    const response = await fetch(address, { headers, signal: stop.signal });
    if (!response.ok || !response.body) throw new Error(`${address} answered ${response.status}`);
    let pending: Buffer = Buffer.alloc(0);
    for await (const chunk of response.body) {
      pending = Buffer.concat([pending, chunk]);
      for (let part = takePart(pending); part; part = takePart(pending)) {
        pending = part.rest;
        yield part;
      }
    }
  } finally {
    stop.abort();
  }
}

function takePart(bytes: Buffer): (Part & { rest: Buffer }) | undefined {
  const boundary = bytes.indexOf('--frame\r\n');
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (boundary < 0 || headEnd < 0) return undefined;
  const head = bytes.toString('latin1', boundary + '--frame\r\n'.length, headEnd);
  const start = headEnd + 4;
  const end = start + Number(/Content-Length: (\d+)/.exec(head)?.[1]);
  if (bytes.length < end) return undefined;
  return { head, jpeg: Buffer.from(bytes.subarray(start, end)), rest: bytes.subarray(end) };
}
