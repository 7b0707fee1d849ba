import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { hubSettings } from '../../../engine/hub/settings';

describe('settings of the hub', () => {
  it('are Hugging Face and folders of the user where nothing is set', () => {
    assert.deepEqual(hubSettings({}), {
      endpoint: 'https://huggingface.co',
      cacheFolder: join(homedir(), '.cache/huggingface/hub'),
      modelsFolder: join(homedir(), '.streamdiffusion/models'),
    });
  });

  it("come from the variables that Hugging Face's own tools read", () => {
    assert.equal(hubSettings({ XDG_CACHE_HOME: '/x' }).cacheFolder, join('/x/huggingface/hub'));
    assert.equal(hubSettings({ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }).cacheFolder, join('/h/hub'));
    assert.equal(hubSettings({ HF_HOME: '/h', HF_HUB_CACHE: '/c' }).cacheFolder, '/c');
    const { endpoint, token, modelsFolder } = hubSettings({
      HF_ENDPOINT: 'https://hf-mirror.com/',
      HF_TOKEN: ' hf_abc\n',
      STREAMDIFFUSION_MODELS: '/m',
    });
    assert.deepEqual([endpoint, token, modelsFolder], ['https://hf-mirror.com', 'hf_abc', '/m']);
  });

  it('send nothing in the clear over a network', () => {
    for (const endpoint of ['http://localhost:8080', 'http://127.0.0.1', 'http://[::1]:9'])
      assert.equal(hubSettings({ HF_ENDPOINT: endpoint }).endpoint, endpoint);
    for (const endpoint of ['http://huggingface.co', 'http://127.0.0.1.example.com', 'ftp://localhost', 'huggingface.co']) {
      assert.throws(
        () => hubSettings({ HF_ENDPOINT: endpoint }),
        { code: 'EBADPARAM', message: /HF_ENDPOINT must be an https address/ },
        endpoint,
      );
    }
  });
});
