import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

/** The nice value of a process that was started with one and then stands back. */
function niceOf(start: number, nice: number): number {
  const script = `os.setPriority(${start}); require(${JSON.stringify(require.resolve('../../../engine/util/stand-back'))}).standBack(${nice}); console.log(os.getPriority())`;
  return Number(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
}

describe('a process that stands back behind others', () => {
  before(function () {
    // Others have some classes in place of nice values.
    if (process.platform === 'win32') this.skip();
  });

  it('does so', () => assert.equal(niceOf(10, 14), 14));

  it('stays where it is where all that started it stands back further', () => assert.equal(niceOf(17, 10), 17));
});
