import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readNumbers, readSafetensors } from '../../../engine/net/safetensors';
import { safetensors, tensorFile } from '../../lib/safetensors';

describe('safetensors', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function written(bytes: Buffer): Promise<string> {
    const path = join(folder, 'file.safetensors');
    await writeFile(path, bytes);
    return path;
  }

  const numbers = Float32Array.of(1, -0.5, 3, 0.25, 0, 96);

  for (const type of ['F32', 'F16', 'BF16'] as const) {
    it(`reads ${type}: where each tensor lies, and its numbers`, async () => {
      const file = await readSafetensors(
        await written(tensorFile({ a: { shape: [2, 3], data: numbers }, b: { shape: [], data: Float32Array.of(4) } }, type, { who: 'me' })),
      );
      const [a, b] = [file.tensors.get('a'), file.tensors.get('b')];
      assert.ok(a && b);
      assert.deepEqual([a.shape, a.type, b.shape], [[2, 3], type, []]);
      assert.equal(b.offset, a.offset + a.length);
      assert.deepEqual([...(await readNumbers(file, a))], [...numbers]);
      assert.deepEqual([...(await readNumbers(file, b))], [4]);
      assert.equal(file.metadata.who, 'me');
    });
  }

  const entry = (data_offsets: unknown, dtype: unknown = 'F32', shape: unknown = [2]) => ({ dtype, shape, data_offsets });
  const eight = Buffer.alloc(8);
  const broken: [how: string, bytes: () => Buffer, says: RegExp][] = [
    ['an empty file', () => Buffer.alloc(0), /has 0 bytes/],
    ['a cut header', () => tensorFile({ a: { shape: [6], data: numbers } }).subarray(0, 20), /header would have/],
    ['cut values', () => tensorFile({ a: { shape: [6], data: numbers } }).subarray(0, -1), /ends at byte/],
    ['a length of terabytes', () => Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 1, 2]), /header would have/],
    ['a header of zeros', () => Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 0, 0]), eight]), /not JSON/],
    ['a list as its header', () => safetensors([] as unknown as Record<string, unknown>, eight), /not a JSON object/],
    ['a tensor without a place', () => safetensors({ a: { dtype: 'F32', shape: [2] } }, eight), /no shape or no place/],
    ['a place that ends before it begins', () => safetensors({ a: entry([8, 0]) }, eight), /ends at byte/],
    ['a negative place', () => safetensors({ a: entry([-8, 0]) }, eight), /no place/],
    ['a fractional size', () => safetensors({ a: entry([0, 8], 'F32', [1.5]) }, eight), /no shape/],
    ['more values than its shape', () => safetensors({ a: entry([0, 8], 'F32', [3]) }, eight), /has 8 bytes, where \[3\] of F32 has 12/],
    ['a type of its own', () => safetensors({ a: entry([0, 8], 'F33') }, eight), /has the type "F33"/],
    ['no type', () => safetensors({ a: entry([0, 8], 7) }, eight), /has the type 7/],
    [
      'tensors on top of each other',
      () => safetensors({ a: entry([0, 8]), b: entry([4, 8], 'F32', [1]) }, eight),
      /two tensors share byte/,
    ],
    ['null as a tensor', () => safetensors({ a: null }, eight), /has the type/],
  ];
  for (const [how, bytes, says] of broken) {
    it(`refuses ${how}, in words`, async () => {
      const path = await written(bytes());
      await assert.rejects(readSafetensors(path), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'EBADMODEL');
        assert.match(error.message, says);
        assert.ok(error.message.includes(path));
        return true;
      });
    });
  }

  it('says what a Git LFS pointer is', async () => {
    const path = await written(Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'));
    await assert.rejects(readSafetensors(path), /only a pointer/);
  });

  it('says when there is no file', async () => {
    await assert.rejects(readSafetensors(join(folder, 'none')), { code: 'EBADMODEL' });
  });
});
