import type { NodeAPI } from 'node-red';
import { hostReports } from '../../../engine/host/client';
import { codecPool } from '../../../engine/image/codec-pool';
import { oncePerRed } from '../common/once-per-red';
import { engineReport, type EngineReport } from '../common/reports';
import { guards } from '../web/guards';

/** The answer to `GET /streamdiffusion/health`. */
export interface Health {
  /** `ok` with status 200, also while no flow uses an engine; otherwise `unwell` with 503. */
  status: 'ok' | 'unwell';
  engines: EngineReport[];
  /** Set while no picture can be read or written in this process. */
  error?: 'ENOCODEC';
}

/** Serves health checks: 200 while every engine in use is ready, otherwise 503. */
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
