import { createSocket } from 'node:dgram';

/** Finds a UDP port of this machine on which nothing listens. */
export async function freeUdpPort(): Promise<number> {
  const probe = createSocket('udp4');
  await new Promise<void>((bound) => probe.bind(0, '127.0.0.1', bound));
  const { port } = probe.address();
  await new Promise<void>((closed) => probe.close(closed));
  return port;
}
