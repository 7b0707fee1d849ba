import assert from 'node:assert/strict';
import { FfmpegWords } from '../../../engine/util/ffmpeg-words';

describe('secrets in what ffmpeg says', () => {
  it('of which only half is kept are not told either: whole lines or none', () => {
    const words = new FfmpegWords();
    words.add(Buffer.from('[tcp @ 0x55d0c8] the reason\n'));
    for (let k = 0; k < 400; k++) words.add(Buffer.from(`line ${k} of http://me:swordfish@camera/live\n`));
    words.add(Buffer.from('the end\n'));
    for (const text of [words.text, words.brief]) {
      assert.match(text, /^\[tcp\] the reason\n[\s\S]*\n…\n[\s\S]*the end$/);
      for (const line of text.split('\n'))
        assert.match(line, /^(\[tcp\] the reason|line \d+ of http:\/\/me:swordfish@camera\/live|…|the end)$/);
    }
    assert.ok(words.brief.length < 1200 && words.text.length < 5100);
  });
});
