import assert from 'node:assert/strict';
import { guidanceEmbedding } from '../../../../engine/model/unet/guidance-embedding';

describe('guidance as an input', () => {
  it('is what diffusers embeds', () => {
    // LatentConsistencyModelPipeline.get_guidance_scale_embedding(torch.tensor([0.25]), embedding_dim=8)
    const expected = [-0.970528, -0.8205646, 0.5129421, 0.0249974, 0.2409883, 0.5715538, 0.8584232, 0.9996875];
    guidanceEmbedding(0.25, 8).forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-4, `${i}: ${value}`));
  });

  it('is sines of 0 and cosines of 0 without guidance', () => {
    assert.deepEqual([...guidanceEmbedding(0, 4)], [0, 0, 1, 1]);
  });
});
