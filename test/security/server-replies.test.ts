import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import { EngineError } from '../../engine/errors';
import type { Net } from '../../engine/net/net';
import { field } from '../../engine/net/onnx/protobuf';
import { ServerNet } from '../../engine/net/server/server-net';
import { fuzzReplies } from '../lib/fuzz-replies';
import { LoopClock, processorMs } from '../lib/strain';

const MEGABYTE = 2 ** 20;
const TIMEOUT_MS = 5000;
const shape = ['batch', 4, 'h', 'w'];
const expected: Pick<Net, 'inputs' | 'outputs'> = {
  inputs: [{ name: 'sample', type: 'float32', shape }],
  outputs: [{ name: 'out_sample', type: 'float32', shape }],
};
const feeds = { sample: { type: 'float32' as const, data: new Float32Array(16), dims: [1, 4, 2, 2] } };
const described = JSON.stringify({
  inputs: [{ name: 'sample', datatype: 'FP32', shape: [-1, 4, -1, -1] }],
  outputs: [{ name: 'out_sample', datatype: 'FP32', shape: [-1, 4, -1, -1] }],
});

interface Outcome {
  code: string;
  message: string;
  /** By how much resident memory grew meanwhile, bytes. */
  grew: number;
  /** How long it took of this process's own time, ms, and of a processor's. */
  ms: number;
  workMs: number;
}

/** Opens a net on a server and runs it, and says how that ended. */
async function ask(address: string): Promise<Outcome> {
  const before = process.memoryUsage.rss();
  const clock = new LoopClock();
  const started = processorMs();
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  let ending = { code: 'none', message: '' };
  try {
    const net = await ServerNet.open(
      'm',
      { ...expected, fingerprint: () => Promise.resolve('') },
      { addresses: [address], timeoutMs: TIMEOUT_MS, sharedMemory: false },
    );
    try {
      await net.run(feeds);
    } finally {
      await net.close();
    }
  } catch (thrown) {
    assert.ok(thrown instanceof EngineError, String(thrown));
    ending = thrown;
  }
  clearInterval(timer);
  clock.stop();
  return {
    ...{ code: ending.code, message: ending.message },
    grew: Math.max(peak, process.memoryUsage.rss()) - before,
    ms: clock.ms,
    workMs: processorMs() - started,
  };
}

function listening(server: Server | Http2Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
}

/** Sends pieces for as long as somebody reads. */
function endless(response: ServerResponse, piece: Buffer): void {
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more);
  more();
}

type Attack = [what: string, says: RegExp, attack: () => Promise<Outcome>];

function itIsRefused(...[what, says, attack]: Attack): void {
  it(`${what}: ENETWORK, soon, and within bounds`, async () => {
    const { code, message, grew, ms, workMs } = await attack();
    assert.equal(code, 'ENETWORK', message);
    assert.match(message, says);
    assert.ok(message.length < 1000 && !/\p{Cc}/u.test(message), message.slice(0, 2000));
    assert.ok(grew < 500 * MEGABYTE, `${Math.round(grew / MEGABYTE)} MB`);
    assert.ok(ms < 3 * TIMEOUT_MS && workMs < TIMEOUT_MS, `${ms} ms, ${workMs} ms of a processor`);
  });
}

describe('what a server of nets answers, over http', () => {
  const against = async (listener: RequestListener): Promise<Outcome> => {
    const server = createServer(listener);
    try {
      return await ask(`http://127.0.0.1:${await listening(server)}`);
    } finally {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
  };
  /** Right until the run, whose answer is the attack. */
  const atRun = (listener: RequestListener): Promise<Outcome> =>
    against((request, response) => {
      if (request.url?.endsWith('/infer')) return listener(request, response);
      if (request.url?.endsWith('/config')) return void response.writeHead(404).end('{}');
      response.end(described);
    });
  const texts = (count: number): string => Array.from({ length: count }, (_, k) => `"${k}":0`).join();
  // Made before, so that only the reader's work counts.
  let packed: Buffer;
  before(() => {
    packed = gzipSync(Buffer.alloc(200 * MEGABYTE));
  });

  const attacks: Attack[] = [
    [
      'a description without an end',
      /more than 4194304 bytes/,
      () => against((_, response) => endless(response, Buffer.alloc(65_536, 0x5b))),
    ],
    [
      'one that is announced to be large',
      /9999999999 bytes, of at most/,
      () => against((_, response) => response.writeHead(200, { 'content-length': 9_999_999_999 }).flushHeaders()),
    ],
    [
      'a refusal without an end',
      /failed \(500\)/,
      () => against((_, response) => endless(response.writeHead(500), Buffer.alloc(65_536, 0x41))),
    ],
    [
      'a compressed one',
      /compressed \(gzip\)/,
      () => against((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed)),
    ],
    ['lists in lists', /JSON of \d+ lists/, () => against((_, response) => response.end('['.repeat(4_000_000)))],
    ['very many fields', /JSON of \d+ lists, \d+ texts/, () => against((_, response) => response.end(`{${texts(350_000)}}`))],
    [
      'very many inputs',
      /a model with \d+ inputs/,
      () =>
        against((_, response) =>
          response.end(JSON.stringify({ inputs: new Array(9000).fill({ name: 'a', datatype: 'FP32', shape: [] }) })),
        ),
    ],
    [
      'a shape with very many sizes',
      /with \d+ dimensions/,
      () =>
        against((_, response) =>
          response.end(JSON.stringify({ inputs: [{ name: 'a', datatype: 'FP32', shape: new Array(900_000).fill(1) }] })),
        ),
    ],
    [
      'settings that make no sense',
      /without name, type or shape/,
      () => against((request, response) => response.end(request.url?.endsWith('/config') ? '{"instance_group":[null]}' : described)),
    ],
    ['a run without an end', /more than 67108864 bytes/, () => atRun((_, response) => endless(response, Buffer.alloc(MEGABYTE)))],
    [
      'a run of numbers without an end',
      /JSON of/,
      () =>
        atRun((_, response) =>
          response.end(`{"outputs":[{"name":"out_sample","datatype":"FP32","shape":[1,4,2,2],"data":[${'0,'.repeat(20_000_000)}0]}]}`),
        ),
    ],
    [
      'a run in very small pieces',
      /no JSON/,
      () =>
        atRun((_, response) => {
          response.write('x');
          let sent = 0;
          const more = (): void => {
            for (let k = 0; k < 2000; k++) response.write('x');
            if (++sent < 100 && !response.destroyed) setImmediate(more);
            else response.end();
          };
          more();
        }),
    ],
    [
      'a shape of other sizes than the bytes',
      /"out_sample" as FP32|bytes for/,
      () =>
        atRun((_, response) =>
          response.end(JSON.stringify({ outputs: [{ name: 'out_sample', datatype: 'FP32', shape: [1, 4, 2 ** 40, 2 ** 40], data: [1] }] })),
        ),
    ],
    [
      'texts where numbers belong',
      /not numbers/,
      () =>
        atRun((_, response) =>
          response.end(
            JSON.stringify({ outputs: [{ name: 'out_sample', datatype: 'FP32', shape: [1, 4, 2, 2], data: new Array(16).fill('x') }] }),
          ),
        ),
    ],
  ];
  for (const attack of attacks) itIsRefused(...attack);

  it('a page of another program: not repeated, so that nobody reads through the check what they could not read themselves', async () => {
    for (const status of [200, 404, 500]) {
      const { code, message } = await against((_, response) => response.writeHead(status).end('AWS_SECRET=hunter2'));
      assert.equal(code, 'ENETWORK');
      assert.ok(!message.includes('hunter2'), message);
    }
  });

  it('a reason with line breaks: one line', async () => {
    const { message } = await against((_, response) =>
      response.writeHead(400).end(JSON.stringify({ error: 'a\n[error] forged\u001b[31m line' })),
    );
    assert.ok(!/\p{Cc}/u.test(message), JSON.stringify(message));
  });
});

describe('what a server of nets answers, over grpc', () => {
  /** @param answer to a method, of its name */
  const against = async (answer: (method: string) => { bytes: Buffer; encoding?: string }): Promise<Outcome> => {
    const server = createHttp2Server();
    server.on('sessionError', () => undefined);
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      const { bytes, encoding } = answer(String(headers[':path']).split('/').at(-1) ?? '');
      const head = Buffer.alloc(5);
      head[0] = encoding ? 1 : 0;
      head.writeUInt32BE(bytes.length, 1);
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', ...(encoding && { 'grpc-encoding': encoding }) },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat([head, bytes]));
    });
    try {
      return await ask(`grpc://127.0.0.1:${await listening(server)}`);
    } finally {
      server.close();
    }
  };
  const dims = field(3, Buffer.of(1, 4, 2, 2));
  const tensor = (name: string): Buffer => Buffer.concat([field(1, name), field(2, 'FP32'), dims]);
  const sound = Buffer.concat([field(4, tensor('sample')), field(5, tensor('out_sample'))]);
  const atRun = (bytes: Buffer, encoding?: string): Promise<Outcome> =>
    against((method) => (method === 'ModelInfer' ? { bytes, encoding } : { bytes: method === 'ModelMetadata' ? sound : Buffer.alloc(0) }));
  const zeros = Buffer.alloc(256 * MEGABYTE);
  let packed: Buffer;
  before(() => {
    packed = gzipSync(zeros);
  });

  const attacks: Attack[] = [
    ['a description of zeros, compressed', /more than 67108864 bytes/, () => against(() => ({ bytes: packed, encoding: 'gzip' }))],
    ['a run of zeros, compressed', /more than 67108864 bytes/, () => atRun(packed, 'gzip')],
    ['the same in the other way', /more than 67108864 bytes/, () => atRun(deflateSync(zeros), 'deflate')],
    ['a run that is too large', /more than 67108864 bytes/, () => atRun(zeros.subarray(0, 65 * MEGABYTE))],
    [
      'a description that is too large',
      /more than 4194304 bytes/,
      () => against(() => ({ bytes: field(99, zeros.subarray(0, 5 * MEGABYTE)) })),
    ],
    ['ten megabytes of fields', /more than 10000 fields/, () => atRun(Buffer.alloc(10 * MEGABYTE, Buffer.of(8, 1)))],
    ['fields in fields', /more than 10000 fields/, () => atRun(field(5, Buffer.alloc(10 * MEGABYTE, Buffer.of(8, 1))))],
    [
      'numbers one by one, and very many',
      /more than 16 numbers/,
      () => atRun(field(5, Buffer.concat([tensor('out_sample'), field(5, field(3, Buffer.alloc(20 * MEGABYTE)))]))),
    ],
    ['a number without an end', /no number ends/, () => atRun(Buffer.alloc(MEGABYTE, 0xff))],
    ['zeros', /begins no field/, () => atRun(Buffer.alloc(MEGABYTE))],
    ['a field longer than the message', /a field ends at byte/, () => atRun(Buffer.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1))],
    [
      'a shape with very many sizes',
      /more than 1024 numbers/,
      () => against(() => ({ bytes: field(4, Buffer.concat([field(1, 'a'), field(2, 'FP32'), field(3, Buffer.alloc(MEGABYTE, 1))])) })),
    ],
  ];
  for (const attack of attacks) itIsRefused(...attack);
});

for (const protocol of ['http', 'grpc'] as const)
  describe(`damaged answers of a server of nets, over ${protocol}`, function () {
    this.timeout(120_000);

    it('each ends in a result or in an error with a code, and memory stays', async () => {
      const { endings, faults, memory } = await fuzzReplies(protocol, 400, 3);
      assert.deepEqual(faults, []);
      assert.ok(endings.ENETWORK > 50 && endings.none > 20, JSON.stringify(endings));
      assert.ok(memory.peak - memory.before < 150 * MEGABYTE, JSON.stringify(memory));
    });
  });
