import assert from 'node:assert/strict';
import { acquireHost, stopAllHosts } from '../../../engine/host/client';
import type { PromptSpec, StreamSettings } from '../../../engine/host/protocol/messages';
import { until } from '../../lib/flow';
import { jpeg } from '../../lib/pictures';

const settings: StreamSettings = { mode: 'img2img', width: 64, height: 64, tIndexList: [25], cfgType: 'none' };
const prompt = (text: string, weight = 1): PromptSpec => ({
  prompt: [
    { text, weight },
    { text: 'sea', weight: 1 },
  ],
});

describe('host: prompts that the model does not see whole', () => {
  afterEach(() => stopAllHosts());

  it('are told once each, whether they come with a frame or before', async () => {
    const stream = acquireHost({ model: 'starter' }).openStream(settings);
    const warnings: string[] = [];
    stream.onWarning = (text) => warnings.push(text);
    const picture = await jpeg({ r: 90, g: 90, b: 200 });
    const zeppelin = 'This model does not know: zeppelin.';
    await stream.submit({ picture, conditioning: prompt('zeppelin') });
    await until(() => warnings.length > 0);
    assert.deepEqual(warnings, [zeppelin]);
    // Between two prompts the weights change from frame to frame.
    for (const weight of [0.5, 0.2]) await stream.submit({ picture, conditioning: prompt('zeppelin', weight) });
    await stream.setConditioning(prompt('night'));
    await stream.setConditioning(prompt('zeppelin'));
    await stream.setConditioning(prompt('submarine'));
    await until(() => warnings.length > 1);
    assert.deepEqual(warnings, [zeppelin, 'This model does not know: submarine.']);
  });
});
