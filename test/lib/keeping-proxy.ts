import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A proxy at a free port of this machine. */
export interface Proxy {
  /** http://localhost:PORT, with the path of its target */
  address: string;
  stop(): void;
}

/**
 * Starts a proxy that does not pass on these headers of requests, as nginx drops `upgrade`, `connection` and `host` unless
 * told otherwise. As with nginx, `host` becomes the address of the target.
 */
export async function startKeepingProxy(target: string, keeps: string[]): Promise<Proxy> {
  const { hostname, port, host, pathname } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(Number(port), hostname);
    for (const [socket, other] of [
      [client, behind],
      [behind, client],
    ]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        other.end();
      });
    }
    behind.pipe(client);
    let head = Buffer.alloc(0);
    client.on('data', function take(part: Buffer) {
      head = Buffer.concat([head, part]);
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      client.off('data', take);
      behind.write(`${rewritten(head.toString('latin1', 0, end), keeps, host)}\r\n\r\n`, 'latin1');
      behind.write(head.subarray(end + 4));
      client.pipe(behind);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://localhost:${(server.address() as AddressInfo).port}${pathname.replace(/\/$/, '')}`,
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function rewritten(head: string, keeps: string[], host: string): string {
  const lines = head.split('\r\n').filter((line) => !keeps.some((name) => line.toLowerCase().startsWith(`${name}:`)));
  if (keeps.includes('host')) lines.push(`Host: ${host}`);
  // Each connection carries one request, so that none passes unchanged.
  if (!lines.some((line) => /^upgrade:/i.test(line)) || keeps.includes('connection')) {
    return [...lines.filter((line) => !/^connection:/i.test(line)), 'Connection: close'].join('\r\n');
  }
  return lines.join('\r\n');
}
