import { EngineError } from '../errors';
import { printable, quote } from '../util/quote';
import type { HubClient } from './client';
import { type Retrying, withRetries } from './retry';

/** A file in a repository, with a checksum of its content. */
export interface RepositoryFile {
  /** The path in the repository, with slashes. */
  path: string;
  bytes: number;
  /** The sha256 of the content for files in Git LFS, otherwise Git's name of the content (sha1). */
  checksum: { algorithm: 'sha256' | 'git-sha1'; digest: string };
}

/** The files of a repository at one commit. */
export interface Listing {
  repository: string;
  commit: string;
  files: RepositoryFile[];
}

const NAME = /^(?!.*(--|\.\.))[A-Za-z\d][\w.-]{0,95}\/[A-Za-z\d][\w.-]{0,95}$/;
const REVISION = /^(?!.*\.\.)[A-Za-z\d][\w./-]{0,199}$/;
const MAX_PAGES = 100;
const MAX_FILES = 50_000;

export function isRepositoryName(name: string): boolean {
  return NAME.test(name);
}

/** @throws EBADPARAM */
export function checkRepository(name: string, revision: string): void {
  if (!isRepositoryName(name))
    throw new EngineError('EBADPARAM', `a repository is named OWNER/NAME, such as julienkay/taesd; got ${quote(name)}`);
  if (!REVISION.test(revision))
    throw new EngineError('EBADPARAM', `a revision is a branch, tag or commit, such as main; got ${quote(revision)}`);
}

/**
 * Asks the hub for the commit of a revision, and for its files with sizes and checksums.
 *
 * Rejects with EBADPARAM, ENOMODEL, EDENIED, ENETWORK, ECLOSED.
 */
export async function listRepository(client: HubClient, repository: string, revision: string, retrying: Retrying): Promise<Listing> {
  checkRepository(repository, revision);
  const subject = revision === 'main' ? repository : `${repository} at ${revision}`;
  const ask = (path: string): ReturnType<HubClient['getJson']> => withRetries(() => client.getJson(path, subject), retrying);

  const { value: info } = await ask(`/api/models/${repository}/revision/${encodeURIComponent(revision)}`);
  const commit = (info as { sha?: unknown } | null)?.sha;
  if (typeof commit !== 'string' || !/^[\da-f]{40}$/.test(commit)) throw strange(repository, 'no commit');

  const files: RepositoryFile[] = [];
  let query: string | undefined = '?recursive=true';
  for (let pages = 0; query !== undefined; pages++) {
    if (pages === MAX_PAGES) throw strange(repository, 'a list of files without an end');
    const { value, next } = await ask(`/api/models/${repository}/tree/${commit}${query}`);
    if (!Array.isArray(value)) throw strange(repository, 'no list of files');
    for (const entry of value as unknown[]) files.push(...readEntry(entry, repository));
    if (files.length > MAX_FILES) throw strange(repository, `more than ${MAX_FILES} files`);
    // Only the query of the next page's address is used: a mirror may not have rewritten the rest.
    query = next && /\?.*/.exec(next)?.[0];
  }
  return { repository, commit, files };
}

/** The hub's path of a file at a commit. */
export function resolvePath({ repository, commit }: Listing, { path }: RepositoryFile): string {
  return `/${repository}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

function readEntry(entry: unknown, repository: string): RepositoryFile[] {
  const { type, path, size, oid, lfs } = (entry ?? {}) as {
    type?: unknown;
    path?: unknown;
    size?: unknown;
    oid?: unknown;
    lfs?: { oid?: unknown };
  };
  if (type !== 'file') return [];
  const digest = lfs ? lfs.oid : oid;
  const isChecksum = typeof digest === 'string' && /^[\da-f]+$/.test(digest) && digest.length === (lfs ? 64 : 40);
  if (typeof path !== 'string' || typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || !isChecksum) {
    throw strange(repository, `a file without path, size or checksum: ${printable(JSON.stringify(entry), 120)}`);
  }
  return [{ path, bytes: size, checksum: { algorithm: lfs ? 'sha256' : 'git-sha1', digest } }];
}

function strange(repository: string, what: string): EngineError {
  return new EngineError('ENETWORK', `the hub's answer about ${repository} cannot be used: ${what}; check HF_ENDPOINT`);
}
