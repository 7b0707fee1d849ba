import assert from 'node:assert/strict';
import { canonical, isLora, loraKey, otherMethod } from '../../../../engine/model/adapters/lora-names';

const ATTENTION = 'down_blocks_1_attentions_0_transformer_blocks_0_attn1';

describe('names of LoRAs', () => {
  const same: [string, string][] = [
    ['unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight', 'PEFT in diffusers'],
    ['base_model.model.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.default.weight', 'PEFT alone'],
    ['unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora.down.weight', 'diffusers 0.17 to 0.21'],
    ['unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight', 'diffusers before'],
    ['down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight', 'without the net before it'],
    ['lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight', 'kohya'],
    ['lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.lora_down.weight', 'kohya with the names of the original'],
  ];
  for (const [name, style] of same) {
    it(`${style}: ${name}`, () => {
      assert.deepEqual(loraKey(name), { part: 'unet', layer: `${ATTENTION}_to_q`, role: 'down' });
      assert.deepEqual(isLora([name]), true);
    });
  }

  const others: [string, ReturnType<typeof loraKey>][] = [
    [
      'unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora.up.weight',
      { part: 'unet', layer: 'mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0', role: 'up' },
    ],
    [
      'lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj.alpha',
      { part: 'unet', layer: 'mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj', role: 'alpha' },
    ],
    [
      'lora_te_text_model_encoder_layers_3_self_attn_q_proj.lora_up.weight',
      { part: 'text_encoder', layer: 'encoder_layers_3_self_attn_q_proj', role: 'up' },
    ],
    [
      'lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight',
      { part: 'text_encoder', layer: 'encoder_layers_0_mlp_fc1', role: 'down' },
    ],
    [
      'lora_te2_text_model_encoder_layers_31_mlp_fc2.lora_down.weight',
      { part: 'text_encoder_2', layer: 'encoder_layers_31_mlp_fc2', role: 'down' },
    ],
    [
      'text_encoder.text_model.encoder.layers.3.self_attn.q_proj.lora_linear_layer.up.weight',
      { part: 'text_encoder', layer: 'encoder_layers_3_self_attn_q_proj', role: 'up' },
    ],
    [
      'text_encoder_2.text_model.encoder.layers.3.self_attn.q_proj.lora_B.weight',
      { part: 'text_encoder_2', layer: 'encoder_layers_3_self_attn_q_proj', role: 'up' },
    ],
    [
      'lora_unet_middle_block_1_transformer_blocks_0_attn2_to_v.lora_up.weight',
      { part: 'unet', layer: 'mid_block_attentions_0_transformer_blocks_0_attn2_to_v', role: 'up' },
    ],
    ['lora_unet_middle_block_2_in_layers_2.lora_up.weight', { part: 'unet', layer: 'mid_block_resnets_1_conv1', role: 'up' }],
    ['lora_unet_output_blocks_2_2_conv.lora_up.weight', { part: 'unet', layer: 'up_blocks_0_upsamplers_0_conv', role: 'up' }],
    ['lora_unet_output_blocks_5_1_proj_in.lora_up.weight', { part: 'unet', layer: 'up_blocks_1_attentions_2_proj_in', role: 'up' }],
    ['lora_unet_input_blocks_3_0_op.lora_up.weight', { part: 'unet', layer: 'down_blocks_0_downsamplers_0_conv', role: 'up' }],
    [
      'lora_unet_input_blocks_4_0_emb_layers_1.lora_up.weight',
      { part: 'unet', layer: 'down_blocks_1_resnets_0_time_emb_proj', role: 'up' },
    ],
    [
      'lora_unet_input_blocks_4_0_skip_connection.lora_up.weight',
      { part: 'unet', layer: 'down_blocks_1_resnets_0_conv_shortcut', role: 'up' },
    ],
    ['lora_unet_input_blocks_0_0.lora_up.weight', { part: 'unet', layer: 'conv_in', role: 'up' }],
    ['lora_unet_time_embed_0.lora_up.weight', { part: 'unet', layer: 'time_embedding_linear_1', role: 'up' }],
    ['lora_unet_label_emb_0_2.lora_up.weight', { part: 'unet', layer: 'add_embedding_linear_2', role: 'up' }],
    ['image_proj.proj.weight', undefined],
  ];
  for (const [name, key] of others) it(name, () => assert.deepEqual(loraKey(name), key));

  it('drops what a wrapper puts before a layer', () => {
    for (const path of ['u.conv_in', 'unet.conv_in', 'conv_in', 'model.diffusion.conv_in']) assert.equal(canonical(path), 'conv_in');
    assert.equal(canonical('te.text_model.encoder.layers.2.mlp.fc1'), 'encoder_layers_2_mlp_fc1');
    assert.equal(canonical('unet.mid_block.resnets.0.conv1'), 'mid_block_resnets_0_conv1');
  });

  it('names methods that are not a plain LoRA', () => {
    assert.equal(otherMethod(['x.hada_w1_a']), 'LoHa');
    assert.equal(otherMethod(['x.lokr_w2']), 'LoKr');
    assert.equal(otherMethod(['x.lora_down.weight', 'x.dora_scale']), 'DoRA');
    assert.equal(otherMethod(['x.lora_magnitude_vector.weight']), 'DoRA');
    assert.match(String(otherMethod(['x.lora_mid.weight'])), /Tucker/);
    assert.equal(otherMethod(['x.lora_down.weight', 'x.lora_up.weight', 'x.alpha']), undefined);
  });
});
