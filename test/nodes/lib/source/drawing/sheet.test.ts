import assert from 'node:assert/strict';
import { Sheet } from '../../../../../nodes/lib/source/drawing/sheet';

describe('sheet of a drawing', () => {
  it('makes older strokes part of the paper, and holds no more than it has room for', async () => {
    let drawn = 0;
    let told = 0;
    const sheet = new Sheet(
      100,
      100,
      'blank',
      async () => {
        drawn++;
        return Buffer.from('jpeg');
      },
      () => told++,
    );
    for (let stroke = 1; stroke <= 2000; stroke++) {
      sheet.begin(`1 ${stroke}`, { colour: '#000000', mirror: false }, [0, 0, 100]);
      for (let more = 0; more < 30; more++) sheet.extend(`1 ${stroke}`, [1, 1, 100]);
      if (stroke % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setImmediate(resolve));
    const { strokes, below } = sheet.content;
    assert.ok(strokes.length <= 320, `${strokes.length} strokes`);
    assert.ok(below && drawn > 5 && told === drawn, `${drawn} times`);
    assert.equal(strokes.at(-1)?.key, '1 2000');
  });

  it('cuts off a stroke that never ends', () => {
    const sheet = new Sheet(
      100,
      100,
      'blank',
      () => Promise.resolve(Buffer.alloc(0)),
      () => undefined,
    );
    sheet.begin('1 1', { colour: '#000000', mirror: false }, [0, 0, 100]);
    for (let k = 0; k < 5000; k++) sheet.extend('1 1', [1, 1, 100]);
    assert.equal(sheet.content.strokes[0].points.length, 3 * 2000);
  });

  it('does not bring back with the paper what was taken back meanwhile', async () => {
    let finish: ((jpeg: Buffer) => void) | undefined;
    const sheet = new Sheet(
      100,
      100,
      'blank',
      () => new Promise((resolve) => (finish = resolve)),
      () => undefined,
    );
    for (let stroke = 0; stroke <= 300; stroke++)
      sheet.begin(`${stroke < 100 ? 1 : 2} ${stroke}`, { colour: '#000000', mirror: false }, [0, 0, 100]);
    assert.ok(finish, 'it is full');
    sheet.undo(1);
    finish(Buffer.from('jpeg'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(sheet.content.below, undefined);
    assert.equal(sheet.content.strokes.length, 300);
  });
});
