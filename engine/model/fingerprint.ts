import { createHash } from 'node:crypto';
import { open, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { GraphPatch } from '../net/onnx/patches/patch';
import { readOnnxHeader } from '../net/onnx/file';

/** So many samples of so many bytes are read of every file: a second even where weights are gigabytes on a slow disk. */
const SAMPLES = 256;
const SAMPLE_BYTES = 4096;

/**
 * A short text that differs for nets that differ: of their files' lengths, and of samples spread evenly over them. Other
 * trainings of the same architecture differ nearly everywhere; a net in which a few weights were changed by hand may not
 * be told from its origin.
 *
 * @param path of an .onnx file; the files with its weights belong to it
 */
export async function fingerprintOf(path: string): Promise<string> {
  const { externalFiles } = await readOnnxHeader(path);
  const hash = createHash('sha256');
  for (const file of [path, ...[...externalFiles].sort().map((name) => join(dirname(path), name))])
    await addSamples(hash, await realpath(file));
  return hash.digest('hex').slice(0, 32);
}

/** The same of a file of weights that become part of a net, in eight letters and digits. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await addSamples(hash, await realpath(path));
  return hash.digest('hex').slice(0, 8);
}

/** Of a net that was changed by patches. @param fingerprint of the net itself */
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
