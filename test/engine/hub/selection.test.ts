import assert from 'node:assert/strict';
import { selectFiles } from '../../../engine/hub/selection';

const checksum = { algorithm: 'git-sha1', digest: '0'.repeat(40) } as const;
const selected = (...paths: string[]): string[] =>
  selectFiles({ repository: 'a/b', commit: '', files: paths.map((path) => ({ path, bytes: 1, checksum })) }).map(({ path }) => path);

describe('which files of a repository are needed', () => {
  it('all of an export: nets, configs, schedule, tokenizers, licence', () => {
    const paths = [
      'model_index.json', 'README.md', 'LICENSE.md', 'scheduler/scheduler_config.json',
      'tokenizer/vocab.json', 'tokenizer/merges.txt', 'tokenizer/special_tokens_map.json', 'tokenizer/tokenizer_config.json', 'tokenizer_2/tokenizer.json',
      'text_encoder/config.json', 'text_encoder/model.onnx', 'text_encoder_2/model.onnx', 'unet/config.json', 'unet/model.onnx',
      'vae_encoder/model.onnx', 'vae_decoder/config.json', 'vae_decoder/model.onnx',
    ];
    assert.deepEqual(selected(...paths), paths);
  });

  it('weights under any of the names that exporters give them', () => {
    const names = ['model.onnx_data', 'model.onnx_data_1', 'model.onnx.data', 'weights.pb', 'onnx__MatMul_8641', 'time_embedding.linear_1.weight', 'Constant_12_attr__value'];
    const paths = ['unet/model.onnx', ...names.map((name) => `unet/${name}`)];
    assert.deepEqual(selected(...paths), paths);
  });

  it('no weights for other programs, no other variant of a net, no pictures', () => {
    const others = [
      'unet/diffusion_pytorch_model.safetensors', 'unet/diffusion_pytorch_model.bin', 'unet/flax_model.msgpack', 'unet/openvino_model.xml', 'unet/openvino_model.bin',
      'unet/model_layernorm.onnx', 'unet/model_layernorm.onnx_data', 'unet/model_layernorm.onnx.data', 'v1-5.ckpt', 'v1-5.safetensors', 'safety_checker/model.onnx',
      'feature_extractor/preprocessor_config.json', 'images/cat.png', '.gitattributes', 'unet/notes.md', 'vae/diffusion_pytorch_model.onnx_data',
    ];
    assert.deepEqual(selected('unet/model.onnx', ...others), ['unet/model.onnx']);
  });

  it('no file beside a net that is not there', () => {
    assert.deepEqual(selected('vae_decoder/model.onnx', 'unet/weights.pb'), ['vae_decoder/model.onnx']);
  });

  it('nets that lie flat, with their weights', () => {
    const paths = ['unet.onnx', 'unet.onnx_data', 'text_encoder.onnx', 'vae_decoder.onnx', 'vae_decoder.onnx.data'];
    assert.deepEqual(selected(...paths, 'other.onnx', 'unet.safetensors'), paths);
  });

  it('none of a repository without ONNX nets, and says what there is instead', () => {
    assert.throws(() => selected('unet/diffusion_pytorch_model.safetensors', 'model_index.json'), { code: 'ENOMODEL', message: /optimum-cli export onnx --model a\/b/ });
    assert.throws(() => selected('README.md'), { code: 'ENOMODEL', message: /take another repository/ });
  });
});
