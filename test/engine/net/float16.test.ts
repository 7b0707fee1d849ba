import assert from 'node:assert/strict';
import { fromFloat16, toFloat16 } from '../../../engine/net/float16';

const toBits = (value: number): number => toFloat16(Float32Array.of(value))[0];
const toNumber = (bits: number): number => fromFloat16(Uint16Array.of(bits))[0];

describe('half precision', () => {
  it('reads the values of IEEE 754', () => {
    const known: [number, number][] = [
      [0x0000, 0],
      [0x8000, -0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x3555, 0.333251953125],
      [0x7bff, 65504],
      [0x0400, 2 ** -14],
      [0x0001, 2 ** -24],
      [0x03ff, 2 ** -14 - 2 ** -24],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
      [0x7e00, NaN],
    ];
    for (const [bits, number] of known) assert.ok(Object.is(toNumber(bits), number), `0x${bits.toString(16)}`);
  });

  it('gives back every one of its values', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const number = toNumber(bits);
      if (Number.isNaN(number)) assert.ok(Number.isNaN(toNumber(toBits(number))));
      else assert.equal(toBits(number), bits);
    }
  });

  it('rounds to the nearest, halfway to even', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [below, above] = [toNumber(bits), toNumber(bits + 1)];
      const middle = (below + above) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      assert.equal(toBits(middle), even);
      assert.equal(toBits(Math.fround(middle * (1 + 2 ** -22))), bits + 1);
      assert.equal(toBits(Math.fround(middle * (1 - 2 ** -22))), bits);
    }
  });

  it('becomes infinite beyond its range and zero below it', () => {
    assert.equal(toBits(65519), 0x7bff);
    assert.equal(toBits(65520), 0x7c00);
    assert.equal(toBits(-1e10), 0xfc00);
    assert.equal(toBits(2 ** -26), 0);
    assert.equal(toBits(-(2 ** -26)), 0x8000);
  });
});
