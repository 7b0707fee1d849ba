import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from '../errors';
import { addFile, startChecksum } from './checksum';
import type { HubClient } from './client';
import { onDisk } from './disk';
import type { RepositoryFile } from './repository';
import { TransientError, type Retrying, withRetries } from './retry';
import type { Staging } from './staging';

export interface Transfer extends Retrying {
  client: HubClient;
  /** Called with the number of bytes that arrived, or with a negative number of bytes that must be sent again. */
  onBytes: (bytes: number) => void;
}

/**
 * Downloads one file, continuing where an earlier try ended, checks it, and moves it to its place.
 *
 * Rejects with ENETWORK, EDENIED, ENOMODEL, EDISK, ECLOSED; with EINTEGRITY when the content is wrong twice.
 *
 * @param from the file's path on the hub
 * @param staging the folder of the unfinished download
 */
export async function downloadFile(from: string, staging: Staging, file: RepositoryFile, transfer: Transfer): Promise<void> {
  const [part, target] = [staging.partOf(file), staging.pathOf(file)];
  await onDisk(async () => {
    for (const path of [part, target]) await mkdir(dirname(path), { recursive: true });
  });
  let furthest = await staging.partBytes(file);
  let wrongContents = 0;
  const attempt = async (progressed: () => void): Promise<void> => {
    const digest = await receive(from, part, file, transfer, (have) => {
      // A server that breaks off at the same place each time makes no progress.
      if (have > furthest) progressed();
      furthest = Math.max(furthest, have);
    });
    if (digest === file.checksum.digest) return;
    await onDisk(() => rm(part));
    transfer.onBytes(-file.bytes);
    wrongContents++;
    const message = `${file.path} does not have the content that the hub announced`;
    if (wrongContents < 2) throw new TransientError(message);
    throw new EngineError('EINTEGRITY', `${message}, twice; something on the way is broken, try again later or from another network`);
  };
  await withRetries(attempt, transfer);
  await onDisk(() => rename(part, target));
}

/** Completes the partial file. Resolves to the checksum of the whole. */
async function receive(
  from: string,
  part: string,
  file: RepositoryFile,
  transfer: Transfer,
  onLength: (have: number) => void,
): Promise<string> {
  const { client, onBytes, signal } = transfer;
  const output = await onDisk(() => open(part, 'a'));
  try {
    let hash = startChecksum(file);
    let have = (await output.stat()).size;
    const startOver = async (): Promise<void> => {
      await onDisk(() => output.truncate(0));
      onBytes(-have);
      hash = startChecksum(file);
      have = 0;
    };
    if (have > file.bytes) await startOver();
    if (have > 0) await onDisk(() => addFile(hash, part, undefined, signal));
    if (have < file.bytes) {
      const answer = await client.get(from, file.path, have);
      // A server without byte ranges begins at the start.
      if (answer.status === 200 && have > 0) await startOver();
      for await (const chunk of answer.chunks) {
        have += chunk.length;
        if (have > file.bytes)
          throw new EngineError(
            'EINTEGRITY',
            `${file.path} is longer than the ${file.bytes} bytes that the hub announced; try again later`,
          );
        await onDisk(() => output.appendFile(chunk));
        hash.update(chunk);
        onBytes(chunk.length);
        onLength(have);
      }
      if (have < file.bytes) throw new TransientError(`${file.path} broke off after ${have} of ${file.bytes} bytes`);
    }
    return hash.digest('hex');
  } finally {
    await output.close();
  }
}
