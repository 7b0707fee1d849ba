import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from './server';
import { eventually } from './until';

const PROGRAM = process.env.PATH?.includes('/usr/sbin') ? 'mosquitto' : '/usr/sbin/mosquitto';

/** A real MQTT broker, mosquitto, on a free port of this machine. */
export class Broker {
  private constructor(
    readonly port: number,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {}

  /** Whether mosquitto is installed. */
  static get isThere(): boolean {
    return spawnSync(PROGRAM, ['-h']).error === undefined;
  }

  static async start(): Promise<Broker> {
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), 'broker-'));
    await writeFile(join(folder, 'broker.conf'), `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
    const broker = new Broker(port, spawn(PROGRAM, ['-c', join(folder, 'broker.conf')], { stdio: 'ignore' }), folder);
    await eventually(() => answers(port));
    return broker;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill();
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Starts a broker; without mosquitto the tests of this `describe` are skipped, and a line says so. */
export async function brokerOrSkip(test: Mocha.Context): Promise<Broker> {
  if (!Broker.isThere) {
    console.log('      mosquitto is not installed');
    test.skip();
  }
  return Broker.start();
}

interface Mqtt {
  connect(url: string): MqttClient;
}

export interface MqttClient {
  on(event: 'connect', listener: () => void): void;
  on(event: 'message', listener: (topic: string, payload: Buffer) => void): void;
  subscribe(topic: string): void;
  publish(topic: string, payload: string): void;
  end(force: boolean): void;
}

/** The MQTT client that Node-RED's own nodes use. */
export async function mqttClient(port: number): Promise<MqttClient> {
  const nodes = dirname(require.resolve('@node-red/nodes/package.json', { paths: [dirname(require.resolve('node-red'))] }));
  const { connect } = require(require.resolve('mqtt', { paths: [nodes] })) as Mqtt;
  const client = connect(`mqtt://127.0.0.1:${port}`);
  await new Promise<void>((connected) => client.on('connect', connected));
  return client;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.end());
  });
}
