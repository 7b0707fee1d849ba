import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { PromptPacer } from '../../../../nodes/lib/prompt/pacer';
import { PromptState } from '../../../../nodes/lib/prompt/state';
import { until } from '../../../lib/until';

/** A pacer whose transition of four frames has begun, and what it sends of its own. */
function moving(lastFrames: number[]): { pacer: PromptPacer; state: PromptState; sent: NodeMessage[] } {
  const [state, sent] = [new PromptState({ prompt: 'day' }), [] as NodeMessage[]];
  const pacer = new PromptPacer(state, (msg) => sent.push(msg));
  for (const at of lastFrames) pacer.heard({ _msgid: 'f' } as NodeMessage, false, true, at);
  const news = { prompt: 'night', transition: { frames: 4 } } as unknown as NodeMessage;
  const now = performance.now();
  pacer.heard(news, state.take(news, now), false, now);
  return { pacer, state, sent };
}

describe('a transition that is counted in frames', () => {
  it('goes on by itself where no frames pass, to its end', async () => {
    const { state, sent } = moving([]);
    await until(() => !state.moving);
    assert.equal(sent.length, 4);
  });

  it('goes on by itself soon after the frames of a fast source have ended', async () => {
    const now = performance.now();
    const { state, sent } = moving([now - 80, now - 40, now]);
    await until(() => !state.moving);
    assert.equal(sent.length, 4);
  });

  it('is left to the frames of a slow source, which come every two seconds', async () => {
    const now = performance.now();
    const { pacer, state, sent } = moving([now - 2600, now - 600]);
    // The next frame is not due yet; a wait of a quarter of a second would be over.
    await new Promise((resolve) => setTimeout(resolve, 200));
    pacer.stop();
    // On a machine that stood still for seconds nothing can be said.
    if (performance.now() - now < 4000) assert.deepEqual([sent.length, state.moving], [0, true]);
  });

  it('does not wait for a source that rested for long', async () => {
    const now = performance.now();
    const { state, sent } = moving([now - 60_000, now]);
    await until(() => !state.moving);
    assert.equal(sent.length, 4);
  });
});
