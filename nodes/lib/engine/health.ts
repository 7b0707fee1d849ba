import type { NodeAPI } from 'node-red';
import { hostReports } from '../../../engine/host/client';
import { codecPool } from '../../../engine/image/codec-pool';
import { oncePerRed } from '../common/once-per-red';
import { engineReport, type EngineReport } from '../common/reports';
import { guards } from '../web/guards';

/** What `GET /streamdiffusion/health` answers. */
export interface Health {
  /** `ok` with status 200, also while no flow uses an engine; anything else with 503. */
  status: 'ok' | 'unwell';
  engines: EngineReport[];
  /** Why no picture can be read or written in this process, while that is so. */
  error?: 'ENOCODEC';
}

/** For whoever watches over an installation: 200 while every engine in use is ready, else 503. */
export function serveHealth(RED: NodeAPI): void {
  if (RED.settings.httpNodeRoot !== false) mount(RED);
}

const mount = oncePerRed('httpNode', (RED) => {
  RED.httpNode.get('/streamdiffusion/health', ...guards(RED), (_request, response) => {
    const engines = hostReports().map(engineReport);
    const { fault } = codecPool;
    const isWell = !fault && engines.every(({ phase }) => phase === 'ready');
    response
      .status(isWell ? 200 : 503)
      .set('Cache-Control', 'no-store')
      .json({ status: isWell ? 'ok' : 'unwell', engines, ...(fault && { error: 'ENOCODEC' }) } satisfies Health);
  });
});
