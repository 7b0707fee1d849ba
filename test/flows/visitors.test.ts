import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { Server } from '../lib/server';
import { PATIENCE, until } from '../lib/until';

interface Answer {
  place?: number;
  shown?: boolean;
  done?: boolean;
  refused?: boolean;
  text?: string;
}

/** Somebody with a phone. */
class Visitor {
  readonly answers: Answer[] = [];

  private constructor(private readonly socket: WebSocket) {}

  static async enter(server: Server, name: string): Promise<Visitor> {
    const socket = new WebSocket(`${server.address.replace('http', 'ws')}/streamdiffusion/guests/wish`);
    const visitor = new Visitor(socket);
    socket.on('message', (data: Buffer) => {
      const { answer } = JSON.parse(data.toString()) as { answer?: Answer };
      if (answer) visitor.answers.push(answer);
    });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.send(JSON.stringify({ visitor: name }));
    return visitor;
  }

  wish(prompt: string): void {
    this.socket.send(JSON.stringify({ prompt }));
  }

  leave(): void {
    this.socket.close();
  }
}

describe("example 19, visitors' prompts", () => {
  let server: Server;
  const visitors: Visitor[] = [];

  before(async () => {
    server = await Server.start(['--example', '19'], { CURATOR_KEY: 'key', SECONDS: '2' });
    await server.ready();
  });
  after(async () => {
    for (const visitor of visitors) visitor.leave();
    await server.stop();
  });
  const enter = async (name: string): Promise<Visitor> => {
    const visitor = await Visitor.enter(server, name);
    visitors.push(visitor);
    return visitor;
  };
  const curator = (query: string, options?: RequestInit): Promise<Response> => fetch(`${server.address}/curator${query}`, options);

  it('keeps the order of fifty visitors, tells each their place, and paints one after the other', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, (_, k) => enter(`visitor_${k}`)));
    for (const [k, visitor] of all.entries()) {
      visitor.wish(k % 2 ? 'sunset over the sea' : 'castle on a hills, night');
      await until(() => visitor.answers.length > 0, PATIENCE);
    }
    const isShown = ({ answers }: Visitor): boolean => answers.some(({ shown }) => shown === true);
    // Each has a socket of its own, so the news of one change reach them one after the other: all is waited for.
    await until(() => isShown(all[0]) && isShown(all[1]) && isShown(all[2]) && all[0].answers.some(({ done }) => done));
    assert.ok(!isShown(all[9]), 'in their order');
    const places = (): number[] =>
      all.filter((visitor) => !isShown(visitor)).map(({ answers }) => answers.findLast(({ place }) => place !== undefined)!.place!);
    const movedUp = (): boolean => places().every((place, k) => place === k + 1);
    await until(movedUp, PATIENCE, () => `whoever waits moves up, not: ${places()}`);
  });

  it('lets a visitor wait with one wish, and has anything but allowed words judged by the curator, who needs a key', async () => {
    const visitor = await enter('somebody');
    visitor.wish('sea');
    await until(() => visitor.answers.length > 0);
    visitor.wish('forest');
    await until(() => visitor.answers.some(({ text }) => /One wish at a time/.test(text ?? '')));
    const other = await enter('somebody_else');
    other.wish('<b>something</b> of my own');
    await until(() => other.answers.some(({ text }) => /looks at your wish/.test(text ?? '')));
    assert.equal((await curator('')).status, 403);
    assert.equal((await curator('?key=guess')).status, 403);
    const page = await (await curator('?key=key')).text();
    assert.ok(page.includes('&#60;b&#62;something'), page);
    const [, id] = /name="id" value="(\w+)"/.exec(page)!;
    const decide = (decision: string, key = 'key'): Promise<Response> =>
      curator(`?key=${key}`, { method: 'POST', body: new URLSearchParams({ id, decision }) });
    assert.equal((await decide('yes', 'guess')).status, 403);
    await decide('no');
    await until(() => other.answers.some(({ refused }) => refused));
  });
});
