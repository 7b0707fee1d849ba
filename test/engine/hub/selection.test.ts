import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { selectFiles } from '../../../engine/hub/selection';
import { findFiles } from '../../../engine/model/files';

const checksum = { algorithm: 'git-sha1', digest: '0'.repeat(40) } as const;
const selected = (...paths: string[]): string[] =>
  selectFiles({ repository: 'a/b', commit: '', files: paths.map((path) => ({ path, bytes: 1, checksum })) }).map(({ path }) => path);

describe('which files of a repository are needed', () => {
  it('all of an export: nets, configs, schedule, tokenizers, licence', () => {
    const paths = [
      'model_index.json',
      'README.md',
      'LICENSE.md',
      'scheduler/scheduler_config.json',
      'tokenizer/vocab.json',
      'tokenizer/merges.txt',
      'tokenizer/special_tokens_map.json',
      'tokenizer/tokenizer_config.json',
      'tokenizer_2/tokenizer.json',
      'text_encoder/config.json',
      'text_encoder/model.onnx',
      'text_encoder_2/model.onnx',
      'unet/config.json',
      'unet/model.onnx',
      'vae_encoder/model.onnx',
      'vae_decoder/config.json',
      'vae_decoder/model.onnx',
    ];
    assert.deepEqual(selected(...paths), paths);
  });

  it('weights under any of the names that exporters give them', () => {
    const names = [
      'model.onnx_data',
      'model.onnx_data_1',
      'model.onnx.data',
      'weights.pb',
      'onnx__MatMul_8641',
      'time_embedding.linear_1.weight',
      'Constant_12_attr__value',
    ];
    const paths = ['unet/model.onnx', ...names.map((name) => `unet/${name}`)];
    assert.deepEqual(selected(...paths), paths);
  });

  it("a model's own ControlNets, which are opened with it", () => {
    const model = ['unet/model.onnx', 'vae_decoder/model.onnx'];
    const controlNets = [
      'controlnet/canny/config.json',
      'controlnet/canny/model.onnx',
      'controlnet/canny/model.onnx_data',
      'controlnet/depth/model.onnx',
    ];
    const others = [
      'controlnet/canny/diffusion_pytorch_model.safetensors',
      'controlnet/two/a.onnx',
      'controlnet/two/b.onnx',
      'controlnet/model.onnx',
    ];
    assert.deepEqual(selected(...controlNets, ...others, ...model), [...controlNets, ...model]);
  });

  it('no weights for other programs, no other variant of a net, no pictures', () => {
    const others = [
      'unet/diffusion_pytorch_model.safetensors',
      'unet/diffusion_pytorch_model.bin',
      'unet/flax_model.msgpack',
      'unet/openvino_model.xml',
      'unet/openvino_model.bin',
      'unet/model_layernorm.onnx',
      'unet/model_layernorm.onnx_data',
      'unet/model_layernorm.onnx.data',
      'v1-5.ckpt',
      'v1-5.safetensors',
      'safety_checker/model.onnx',
      'feature_extractor/preprocessor_config.json',
      'images/cat.png',
      '.gitattributes',
      'unet/notes.md',
      'vae/diffusion_pytorch_model.onnx_data',
    ];
    assert.deepEqual(selected('unet/model.onnx', ...others), ['unet/model.onnx']);
  });

  it('no file beside a net that is not there', () => {
    assert.deepEqual(selected('vae_decoder/model.onnx', 'unet/weights.pb'), ['vae_decoder/model.onnx']);
  });

  it('nets that lie flat, with their weights, tokenizer and schedule; of several variants the plain one', () => {
    const paths = [
      'unet.onnx',
      'unet.onnx_data',
      'text-encoder.onnx',
      'vae_decoder.onnx',
      'vae_decoder.onnx.data',
      'vocab.json',
      'merges.txt',
      'scheduler_config.json',
    ];
    assert.deepEqual(selected(...paths, 'unet-int8.onnx', 'unet-int8.onnx_data', 'other.onnx', 'unet.safetensors', 'config.json'), paths);
    const inFolder = ['onnx/unet_model.onnx', 'onnx/unet_model.onnx_data', 'onnx/vae_decoder_model.onnx'];
    assert.deepEqual(selected(...inFolder, 'onnx/unet_model_q4f16.onnx', 'onnx/scheduler_step_model_f16.onnx'), inFolder);
  });

  it('the only net of a folder, whatever its name, and a tiny autoencoder beside the full one', () => {
    const paths = [
      'unet/unet_fp16.onnx',
      'vae_decoder/model.onnx',
      'taesd/vae_decoder/model.onnx',
      'taesd/vae_encoder/model.onnx',
      'taesd/vae_encoder/config.json',
    ];
    assert.deepEqual(selected(...paths, 'taesd/unet/model.onnx', 'text_encoder/a.onnx', 'text_encoder/b.onnx'), paths);
  });

  it('what the engine finds on disk', async () => {
    const layouts = [
      ['unet/model.onnx', 'text_encoder/model.onnx', 'vae_encoder/model.onnx', 'vae_decoder/model.onnx'],
      ['unet.onnx', 'text_encoder.onnx', 'taesd-decoder.onnx', 'unet_layernorm.onnx'],
      [
        'onnx/unet_model_q4f16.onnx',
        'onnx/unet_model_qdq_q4f16.onnx',
        'onnx/text_encoder_model.onnx',
        'onnx/text_encoder_2_model.onnx',
        'onnx/vae_decoder.onnx',
      ],
      ['unet/model.onnx', 'text_encoder/model.onnx', 'taesd/vae_encoder/model.onnx', 'taesd/vae_decoder/model.onnx'],
    ];
    for (const paths of layouts) {
      const folder = await mkdtemp(join(tmpdir(), 'layout-'));
      for (const path of paths) {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await writeFile(join(folder, path), '');
      }
      const { nets } = await findFiles(folder);
      const onDisk = Object.values(nets).map(({ path }) => relative(folder, path).split(sep).join('/'));
      assert.deepEqual(selected(...paths).sort(), onDisk.sort());
      assert.ok(onDisk.length >= 3);
      await rm(folder, { recursive: true });
    }
  });

  describe('of a repository without a model', () => {
    it('a LoRA: the only one, or the one that diffusers saved; of several nobody knows which', () => {
      const lora = ['README.md', 'style.safetensors'];
      assert.deepEqual(selected(...lora, 'sample.png', '.gitattributes'), lora);
      assert.deepEqual(selected('pytorch_lora_weights.safetensors', 'checkpoint-500.safetensors'), ['pytorch_lora_weights.safetensors']);
      assert.throws(() => selected('a.safetensors', 'b.safetensors'), {
        code: 'ENOMODEL',
        message: /several .*a\.safetensors, b\.safetensors/,
      });
    });

    it('no whole model in one file, which is for other programs', () => {
      const whole = [{ path: 'v1-5.safetensors', bytes: 4.2e9, checksum }];
      assert.throws(() => selectFiles({ repository: 'a/b', commit: '', files: whole }), { code: 'ENOMODEL', message: /PyTorch/ });
    });

    it('a ControlNet on top, in a folder of its name, or several', () => {
      const top = ['config.json', 'model.onnx', 'model.onnx_data'];
      assert.deepEqual(selected(...top, 'demo.webp', 'diffusion_pytorch_model.safetensors', 'model_fp16.onnx'), top);
      const inFolder = ['controlnet/config.json', 'controlnet/model.onnx', 'controlnet/weights.pb'];
      assert.deepEqual(selected(...inFolder), inFolder);
      const several = ['controlnet/canny/model.onnx', 'controlnet/depth/model.onnx', 'controlnet/depth/model.onnx_data'];
      assert.deepEqual(selected(...several), several);
    });

    it('an IP-Adapter with its encoder', () => {
      const paths = [
        'image_encoder/config.json',
        'image_encoder/model.onnx',
        'image_encoder/model.onnx_data',
        'ip-adapter_sd15.safetensors',
      ];
      assert.deepEqual(selected(...paths, 'image_encoder/pytorch_model.bin'), paths);
    });

    it('a net for pictures, with what says how it takes them; none for texts', () => {
      const depth = ['preprocessor_config.json', 'onnx/model.onnx'];
      assert.deepEqual(selected(...depth, 'onnx/model_quantized.onnx').sort(), ['onnx/model.onnx', 'preprocessor_config.json']);
      assert.throws(() => selected('tokenizer.json', 'onnx/model.onnx'), { code: 'ENOMODEL' });
    });
  });

  it('none of a repository without ONNX nets, and says what there is instead', () => {
    assert.throws(() => selected('unet/diffusion_pytorch_model.safetensors', 'model_index.json'), {
      code: 'ENOMODEL',
      message: /optimum-cli export onnx --model a\/b/,
    });
    assert.throws(() => selected('README.md'), { code: 'ENOMODEL', message: /choose another repository/ });
  });
});
