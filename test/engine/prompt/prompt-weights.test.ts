import assert from 'node:assert/strict';
import { parsePromptWeights } from '../../../engine/prompt/prompt-weights';
import { processorMs } from '../../lib/strain';

describe('weights in a prompt', () => {
  const cases: [string, [string, number][]][] = [
    ['a photo of a cat', [['a photo of a cat', 1]]],
    ['', [['', 1]]],
    [
      'a (cat:1.2)',
      [
        ['a ', 1],
        ['cat', 1.2],
      ],
    ],
    [
      '(cat: 1.2 ) on a (roof:.5), night',
      [
        ['cat', 1.2],
        [' on a ', 1],
        ['roof', 0.5],
        [', night', 1],
      ],
    ],
    [
      '(a (red:1.5) cat:2)',
      [
        ['a ', 2],
        ['red', 3],
        [' cat', 2],
      ],
    ],
    [
      '(sky:0)(sea:-1)',
      [
        ['sky', 0],
        ['sea', -1],
      ],
    ],
    ['best (quality), ((x))', [['best (quality), ((x))', 1]]],
    ['(16:9 film:1.1)', [['16:9 film', 1.1]]],
    ['(cat:high) (dog', [['(cat:high) (dog', 1]]],
    [
      '\\(cat:1.2\\) and (a \\(b\\):2)',
      [
        ['(cat:1.2) and ', 1],
        ['a (b)', 2],
      ],
    ],
    ['a (cat:1) b', [['a cat b', 1]]],
    ['back\\slash', [['back\\slash', 1]]],
    ['over ) and (under', [['over ) and (under', 1]]],
  ];
  for (const [prompt, expected] of cases) {
    it(JSON.stringify(prompt), () => {
      assert.deepEqual(
        parsePromptWeights(prompt),
        expected.map(([text, weight]) => ({ text, weight })),
      );
    });
  }

  it('reads thousands of parentheses in no time', () => {
    const started = processorMs();
    assert.equal(parsePromptWeights('('.repeat(100_000))[0].text.length, 100_000);
    assert.equal(parsePromptWeights(`${'('.repeat(1000)}x${':1.1)'.repeat(1000)}`).length, 1);
    assert.ok(processorMs() - started < 2000);
  });
});
