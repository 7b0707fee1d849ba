import { createHash } from 'node:crypto';
import { open, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { GraphPatch } from '../net/onnx/patches/patch';
import { readOnnxHeader } from '../net/onnx/file';

/** The number of samples per file and their length, bytes: a second even for gigabytes of weights on a slow disk. */
const SAMPLES = 256;
const SAMPLE_BYTES = 4096;

/**
 * A short text that differs for different nets, computed from their files' lengths and from samples spread evenly over them.
 * Trainings of the same architecture differ almost everywhere; a net in which a few weights were changed by hand may have the
 * fingerprint of its original.
 *
 * @param path of an .onnx file; the files with its weights are included
 */
export async function fingerprintOf(path: string): Promise<string> {
  const { externalFiles } = await readOnnxHeader(path);
  const hash = createHash('sha256');
  for (const file of [path, ...[...externalFiles].sort().map((name) => join(dirname(path), name))])
    await addSamples(hash, await realpath(file));
  return hash.digest('hex').slice(0, 32);
}

/** The same for a file of weights that become part of a net, in eight letters and digits. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await addSamples(hash, await realpath(path));
  return hash.digest('hex').slice(0, 8);
}

/** The fingerprint of a net with patches. @param fingerprint of the net itself */
export function patchedFingerprint(fingerprint: string, patches: readonly GraphPatch[]): string {
  return [fingerprint, ...patches.flatMap((patch) => patch.fingerprint ?? [])].join('-');
}

async function addSamples(hash: ReturnType<typeof createHash>, path: string): Promise<void> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    hash.update(`${size};`);
    const count = Math.min(SAMPLES, Math.ceil(size / SAMPLE_BYTES));
    const buffer = Buffer.alloc(SAMPLE_BYTES);
    for (let k = 0; k < count; k++) {
      const at = count === 1 ? 0 : Math.floor((k * Math.max(0, size - SAMPLE_BYTES)) / (count - 1));
      const { bytesRead } = await file.read(buffer, 0, SAMPLE_BYTES, at);
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
