import type { ServedNet } from './config';
import type { RepositoryOptions } from './options';

/** A net whose plan is to be made. */
export interface PlannedNet {
  net: ServedNet;
  /** Its ONNX file and where its plan goes, as seen from the model repository. */
  onnx: string;
  plan: string;
}

/**
 * A shell script that makes TensorRT plans, to be run on the machine whose GPU will run them, with the TensorRT that
 * Triton has: in a container of the same release.
 */
export function planScript(nets: PlannedNet[], { maxBatch }: RepositoryOptions): string {
  const calls = nets.map(({ net, onnx, plan }) => {
    const shapes = (rows: number): string =>
      Object.entries(net.warmUp ?? {}).map(([name, [, ...rest]]) => `${name}:${[rows, ...rest].join('x')}`).join(',');
    const free = net.inputs.some(({ shape }) => shape.some((size) => typeof size === 'string'));
    const range = free && net.warmUp ? ` \\\n  --minShapes=${shapes(1)} \\\n  --optShapes=${shapes(Math.min(2, maxBatch))} \\\n  --maxShapes=${shapes(maxBatch)}` : '';
    return `trtexec --onnx=${quoted(onnx)} --saveEngine=${quoted(plan)} --fp16${range}`;
  });
  return ['#!/bin/sh', '# Makes the TensorRT plans of this model repository. Run it where Triton runs, once for every kind of GPU.', 'set -e', 'cd "$(dirname "$0")"', ...calls, ''].join('\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
