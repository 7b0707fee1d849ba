import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A place in shared memory as requests name it. */
export interface AskedPlace {
  shared_memory_region: string;
  shared_memory_offset: number;
  shared_memory_byte_size: number;
}

export function placeIn(parameters: object | undefined): AskedPlace | undefined {
  return parameters && 'shared_memory_region' in parameters ? (parameters as AskedPlace) : undefined;
}

/** The system shared memory of an {@link InferenceServer}: it opens the files, as servers do, and reads and writes them. */
export class ServerMemory {
  private readonly files = new Map<string, { descriptor: number; length: number }>();
  /** Names of all regions that were ever registered. */
  readonly registered: string[] = [];
  /** The folder of its shared memory; a container has its own. */
  folder = '/dev/shm';
  /** A file that it opens instead of the named one, as if it saw other memory under that name. */
  substitute: string | undefined;
  /** Whether it computes but writes nothing. */
  isMute = false;
  /** Tensors that have passed through memory. */
  reads = 0;
  writes = 0;

  get regions(): string[] {
    return [...this.files.keys()];
  }

  /** @throws with the message of a server */
  register(name: string, key: string, length: number): void {
    if (this.files.has(name)) throw new Error(`shared memory region '${name}' already in manager`);
    const path = this.substitute ?? join(this.folder, key);
    let descriptor: number;
    try {
      descriptor = openSync(path, 'r+');
    } catch {
      throw new Error(`Unable to open shared memory region: '${key}'`);
    }
    if (statSync(path).size < length) throw new Error(`failed to register shared memory region '${name}': invalid args`);
    this.files.set(name, { descriptor, length });
    this.registered.push(name);
  }

  unregister(name: string): void {
    const file = this.files.get(name);
    this.files.delete(name);
    if (file) closeSync(file.descriptor);
  }

  read(place: AskedPlace): Buffer {
    const bytes = Buffer.alloc(place.shared_memory_byte_size);
    this.reads++;
    readSync(this.descriptorOf(place), bytes, 0, bytes.length, place.shared_memory_offset);
    return bytes;
  }

  write(place: AskedPlace, bytes: Uint8Array): void {
    if (bytes.length > place.shared_memory_byte_size)
      throw new Error(`shared memory size ${place.shared_memory_byte_size} is too small for ${bytes.length} bytes`);
    const descriptor = this.descriptorOf(place);
    this.writes++;
    if (!this.isMute) writeSync(descriptor, bytes, 0, bytes.length, place.shared_memory_offset);
  }

  /** Forgets all regions, like a restarted server. */
  forget(): void {
    for (const name of this.regions) this.unregister(name);
  }

  private descriptorOf({ shared_memory_region: name, shared_memory_offset: offset, shared_memory_byte_size: length }: AskedPlace): number {
    const file = this.files.get(name);
    if (!file) throw new Error(`Unable to find shared memory region: '${name}'`);
    if (offset + length > file.length) throw new Error(`Invalid offset + byte size for shared memory region: '${name}'`);
    return file.descriptor;
  }
}
