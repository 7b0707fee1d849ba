import type { ServedNet } from './config';
import type { RepositoryOptions } from './options';

/** A net to make a plan for. */
export interface PlannedNet {
  net: ServedNet;
  /** The paths of its ONNX file and of its plan, relative to the model repository. */
  onnx: string;
  plan: string;
}

/**
 * A shell script that makes TensorRT plans. It must be run on the machine whose GPU will run them, with Triton's version of
 * TensorRT: in a container of the same release.
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

/** A name for trtexec, in quotes of its own if it contains a colon, which would otherwise end it. */
function keyOf(name: string): string {
  return name.includes(':') ? `'${name}'` : name;
}

/** A text as one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
