import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../errors';
import type { Net } from '../net/net';
import { readOnnxHeader } from '../net/onnx-file';
import type { NetFiles } from './files';

/**
 * A net that can be looked at, not run: read from the head of its file in milliseconds, so that most of what is wrong
 * with a model is found before gigabytes are opened, and without ONNX Runtime.
 *
 * Rejects with EBADMODEL when the file is torn or no net, or a file with its weights is missing.
 */
export async function readHeader({ path }: NetFiles): Promise<Net> {
  const { inputs, outputs, externalFiles } = await readOnnxHeader(path);
  for (const name of externalFiles) {
    const file = join(dirname(path), name);
    if (!(await stat(file).catch(() => undefined))?.isFile()) {
      throw new EngineError(
        'EBADMODEL',
        `${path} keeps its weights in ${name}, which is not there; download it into the same folder`,
      );
    }
  }
  const run = () => Promise.reject(new EngineError('ECLOSED', `${path} was only looked at, not opened`));
  return { inputs, outputs, run, close: () => Promise.resolve() };
}
