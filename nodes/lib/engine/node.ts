import type { Node, NodeAPI } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { acquireHost, type EngineSupervisor, type ProviderChoice, releaseHost } from '../../../engine/host/client';
import type { HostSettings, HostState } from '../../../engine/host/protocol/messages';
import type { EngineInfo } from '../../../engine/types';
import { shorten, type Translate } from '../common/status';
import { inWords } from './provider-routes';

/** This many ends in a row are logged one by one; an engine that stays broken for weeks must not fill the disk. */
const OFTEN = 8;
/** After that, only every nth is logged: about one an hour. */
const THEN_EVERY = 120;
/** After that, the engine's return is only logged once it has lasted this long, ms. */
const SOUND_MS = 60_000;

/** A node that uses an engine. */
export interface EngineUser {
  /** Called at every change of the host's state. */
  onState(state: HostState): void;
}

/** The engine's config node as other nodes see it. */
export interface EngineNode extends Node {
  /**
   * Adds a user; the first one starts the engine's process.
   * @throws EBADPARAM when the engine's own settings cannot work
   */
  register(user: EngineUser): EngineSupervisor;
  /** Removes a user; with the last one the process may end. */
  deregister(user: EngineUser): Promise<void>;
}

/**
 * The engine node with this id.
 * @throws EBADPARAM when none was chosen, or it is missing or disabled
 */
export function getEngine(RED: NodeAPI, id: string | undefined): EngineNode {
  if (!id) throw new EngineError('EBADPARAM', 'no engine is chosen; open this node and choose or add one');
  const node: Node | null = RED.nodes.getNode(id);
  if (node?.type === 'streamdiffusion-engine') return node as EngineNode;
  throw new EngineError('EBADPARAM', `the engine of this node (${id}) is missing or disabled; open this node and choose another one`);
}

/** The users of one engine node, and the host that exists while there are any. */
export class EngineUsers {
  private readonly users = new Set<EngineUser>();
  private host: EngineSupervisor | undefined;
  private phase: HostState['phase'] | undefined;
  /** When an engine that has not returned yet was lost: for people, and on the monotonic clock. */
  private lost: { at: Date; clock: number } | undefined;
  /** Whether the engine keeps ending, which was logged: its present start is not logged unless it lasts. */
  private quiet = false;
  private settling: NodeJS.Timeout | undefined;

  /**
   * @param settings read when the first user comes, so that an unused engine reports no errors
   * @param soundMs how long an engine that ended many times must last before its return is logged
   */
  constructor(
    private readonly node: Pick<Node, 'log' | 'warn' | 'error'>,
    private readonly settings: () => HostSettings,
    private readonly translate: Translate,
    private readonly soundMs = SOUND_MS,
  ) {}

  register(user: EngineUser): EngineSupervisor {
    this.host ??= this.start();
    this.users.add(user);
    return this.host;
  }

  async deregister(user: EngineUser): Promise<void> {
    this.users.delete(user);
    if (this.users.size === 0) await this.release();
  }

  /** Releases the host, even if it still has users. */
  async release(): Promise<void> {
    const host = this.host;
    this.host = undefined;
    this.phase = undefined;
    this.lost = undefined;
    this.quiet = false;
    clearTimeout(this.settling);
    this.users.clear();
    if (!host) return;
    host.off('state', this.onState);
    host.off('choice', this.onChoice);
    await releaseHost(host);
  }

  private start(): EngineSupervisor {
    const host = acquireHost(this.settings());
    host.on('state', this.onState);
    host.on('choice', this.onChoice);
    this.log(host.state);
    return host;
  }

  private readonly onState = (state: HostState): void => {
    this.log(state);
    for (const user of this.users) user.onState(state);
  };

  private readonly onChoice = ({ providers, tried }: ProviderChoice): void => {
    const lines = tried.map((each) => inWords(each, this.translate));
    this.node.log([this.translate('automatic.chosen', { name: providers[0] }), ...lines].join(' '));
  };

  private ready({ model, executionProvider: provider, arithmetic }: EngineInfo): string {
    return arithmetic
      ? this.translate('log.readyIn', { model, provider, ...arithmetic })
      : this.translate('log.ready', { model, provider });
  }

  /** Logs the end of an outage: its length, and the streams that continue. */
  private logReturn(clock = performance.now()): void {
    if (!this.lost) return;
    const seconds = ((clock - this.lost.clock) / 1000).toFixed(1);
    const streams = this.host?.report.streams.map(({ name }) => shorten(name, 32) || '-').join(', ') || '-';
    this.node.log(this.translate('log.restored', { seconds, since: this.lost.at.toISOString(), streams }));
    this.lost = undefined;
  }

  /** The return of an engine that ended many times in a row is only logged if it lasts. */
  private settle(state: HostState): void {
    clearTimeout(this.settling);
    const clock = performance.now();
    if (state.phase === 'restarting') this.quiet = !isWorthALine(state.attempt);
    if (!this.quiet || state.phase !== 'ready') return;
    this.settling = setTimeout(() => {
      this.quiet = false;
      this.logReturn(clock);
    }, this.soundMs).unref();
  }

  /** Logs each change of phase; progress within a phase is only shown in status lines. */
  private log(state: HostState): void {
    if (state.phase === this.phase && state.phase !== 'restarting') return;
    this.phase = state.phase;
    this.settle(state);
    if (this.quiet && state.phase !== 'failed') return;
    switch (state.phase) {
      case 'ready':
        this.node.log(this.ready(state.info));
        for (const warning of state.warnings) this.node.warn(warning);
        this.logReturn();
        break;
      case 'restarting':
        this.lost ??= { at: new Date(), clock: performance.now() };
        this.node.warn(
          this.translate(state.attempt < OFTEN ? 'log.restarting' : 'log.restartingOften', {
            seconds: (state.delayMs / 1000).toFixed(1),
            error: state.error.message,
            attempt: state.attempt,
          }),
        );
        break;
      case 'failed':
        this.node.error(state.error);
        break;
      default:
        this.node.log(this.translate(`log.${state.phase}`));
    }
  }
}

function isWorthALine(attempt: number): boolean {
  return attempt <= OFTEN || attempt % THEN_EVERY === 0;
}
