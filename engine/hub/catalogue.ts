/** A repository that others report to work, as its authors describe it. */
export interface KnownRepository {
  repository: string;
  bytes: number;
  licence: string;
  /** What it is and what it needs, in a sentence. */
  about: string;
}

/** Repositories to begin with. Sizes and licences are as published; the authors of this package have opened none of them. */
export const KNOWN_REPOSITORIES: readonly KnownRepository[] = [
  {
    repository: 'schmuell/sd-turbo-ort-web',
    bytes: 2.58e9,
    licence: 'Stability AI, non-commercial',
    about: 'SD-Turbo at 512×512, weights in float16: 1 to 4 steps, guidance none. Needs a GPU (webgpu, cuda) to be live.',
  },
  {
    repository: 'jdp8/sd-turbo-onnx',
    bytes: 2.66e9,
    licence: 'Stability AI, non-commercial',
    about: 'SD-Turbo at 512×512, another export of it.',
  },
  {
    repository: 'TheyCallMeHex/LCM-Dreamshaper-V7-ONNX',
    bytes: 5e9,
    licence: 'MIT',
    about: 'LCM Dreamshaper v7 at 512×512 and above: 2 to 8 steps. Needs a GPU with 8 GB.',
  },
  {
    repository: 'julienkay/taesd',
    bytes: 9.8e6,
    licence: 'MIT',
    about: 'Tiny autoencoder for SD 1 and 2, no model of its own: its vae_encoder and vae_decoder replace the slow ones of another model.',
  },
  {
    repository: 'IlyasMoutawwakil/tiny-stable-diffusion-onnx',
    bytes: 9e6,
    licence: 'see its page',
    about: 'The shape of Stable Diffusion with random weights: noise for pictures, good for trying a download.',
  },
];
