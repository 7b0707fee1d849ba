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
      Object.entries(net.warmUp ?? {})
        .map(([name, [, ...rest]]) => `${keyOf(name)}:${[rows, ...rest].join('x')}`)
        .join(',');
    const free = net.inputs.some(({ shape }) => shape.some((size) => typeof size === 'string'));
    const bounds = free && net.warmUp ? { min: 1, opt: Math.min(2, maxBatch), max: maxBatch } : {};
    const range = Object.entries(bounds)
      .map(([name, rows]) => ` \\\n  ${quoted(`--${name}Shapes=${shapes(rows)}`)}`)
      .join('');
    return `trtexec --onnx=${quoted(onnx)} --saveEngine=${quoted(plan)} --fp16${range}`;
  });
  return [
    '#!/bin/sh',
    '# Makes the TensorRT plans of this model repository. Run it where Triton runs, once for every kind of GPU.',
    'set -e',
    'cd "$(dirname "$0")"',
    ...calls,
    '',
  ].join('\n');
}

/** trtexec takes the first colon for the end of a name that does not stand in quotes of its own. */
function keyOf(name: string): string {
  return name.includes(':') ? `'${name}'` : name;
}

/** As one word of a shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
