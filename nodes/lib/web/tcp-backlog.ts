import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

/** One reading is shared by all viewers for this long, ms: reading the system's large table takes milliseconds. */
const SHARED_MS = 50;

interface Reading {
  at: number;
  backlogs: Promise<Map<string, number>>;
}

const readings = new Map<string, Reading>();

/**
 * The number of bytes that the system has buffered for the other side of a connection: written but not acknowledged yet. Undefined
 * on systems other than Linux. Node.js only tells when the system has taken bytes, which it does by the megabyte.
 */
export async function backlogOf(socket: Socket | null): Promise<number | undefined> {
  if (process.platform !== 'linux' || !socket?.localPort || !socket.remotePort) return undefined;
  // The connections of a server that listens on both IPv4 and IPv6 are all in IPv6's table.
  const table = socket.localAddress?.includes(':') ? '/proc/net/tcp6' : '/proc/net/tcp';
  const now = performance.now();
  let reading = readings.get(table);
  if (!reading || now - reading.at > SHARED_MS) {
    reading = { at: now, backlogs: readBacklogs(table) };
    readings.set(table, reading);
  }
  return (await reading.backlogs).get(`${socket.localPort} ${socket.remotePort}`);
}

/** The backlogs by local and remote port; the largest, where several connections have the same ports. */
async function readBacklogs(table: string): Promise<Map<string, number>> {
  const backlogs = new Map<string, number>();
  const text = await readFile(table, 'latin1').catch(() => '');
  // sl local_address remote_address st tx_queue:rx_queue …, all in hexadecimal
  for (const [, local, remote, queue] of text.matchAll(/^ *\d+: \w+:(\w{4}) \w+:(\w{4}) 01 (\w{8}):/gm)) {
    const key = `${parseInt(local, 16)} ${parseInt(remote, 16)}`;
    backlogs.set(key, Math.max(backlogs.get(key) ?? 0, parseInt(queue, 16)));
  }
  return backlogs;
}
