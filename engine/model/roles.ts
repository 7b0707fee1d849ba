/** The role of a net in a model, which determines how it is found, opened, planned and written. */
export interface Role {
  /**
   * Who needs it: every model, img2img only, or only models with two text encoders (as their UNet tells).
   */
  needed: 'always' | 'img2img' | 'dual';
  /** How often it runs: when a prompt changes, once a frame, or at every step of every frame. */
  runs: 'prompt' | 'frame' | 'step';
  /** Its first input: token ids [B, tokens], latents [B, C, h, w], or pictures [B, 3, H, W]. */
  takes: 'tokens' | 'latents' | 'picture';
  /** Whether it is half of an autoencoder: a tiny one may replace it, and it runs in parallel with the other nets. */
  isAutoencoder?: true;
  /** Its file name beside other nets, in lower case and without the ending: `unet`, `vae_decoder`, `taesdxl_encoder`. */
  flatName: RegExp;
}

/** The nets of a model, in the order in which they are opened, by the names of their folders. */
const ROLES = {
  text_encoder: { needed: 'always', runs: 'prompt', takes: 'tokens', flatName: /(^|_)text_encoder(?!_2)(_|$)/ },
  text_encoder_2: { needed: 'dual', runs: 'prompt', takes: 'tokens', flatName: /(^|_)text_encoder_2(_|$)/ },
  unet: { needed: 'always', runs: 'step', takes: 'latents', flatName: /(^|_)unet(_|$)/ },
  vae_encoder: {
    needed: 'img2img',
    runs: 'frame',
    takes: 'picture',
    isAutoencoder: true,
    flatName: /(^|_)vae_encoder(_|$)|^tae\w*_encoder(_|$)/,
  },
  vae_decoder: {
    needed: 'always',
    runs: 'frame',
    takes: 'latents',
    isAutoencoder: true,
    flatName: /(^|_)vae_decoder(_|$)|^tae\w*_decoder(_|$)/,
  },
} as const satisfies Record<string, Role>;

/** The families of nets that belong to adapters, each net under its adapter's name. */
const FAMILIES = {
  controlnet: { runs: 'step', takes: 'latents' },
  controlnext: { runs: 'step', takes: 'picture' },
  t2i_adapter: { runs: 'frame', takes: 'picture' },
  image_encoder: { runs: 'prompt', takes: 'picture' },
} as const satisfies Record<string, Pick<Role, 'runs' | 'takes'>>;

export type NetName = keyof typeof ROLES;
/** A net of a model, or of an adapter: `controlnet/NAME`. */
export type NetRole = NetName | FamilyRole;
export type FamilyRole = `${keyof typeof FAMILIES}/${string}`;
/** A value for each net. */
export type PerRole<T> = { [Name in NetName]?: T } & { [Role in FamilyRole]: T };

export const netNames = Object.keys(ROLES) as readonly NetName[];

/** Whether this is the name of a net in a model folder. */
export function isNetName(name: string): name is NetName {
  return Object.hasOwn(ROLES, name);
}

/** The role of one of a model's own nets. */
export function factsOf(name: NetName): Role {
  return ROLES[name];
}

/** How often a net runs and what it takes, whether it is the model's or an adapter's. */
export function useOf(role: NetRole): Pick<Role, 'runs' | 'takes' | 'isAutoencoder'> {
  if (isNetName(role)) return ROLES[role];
  return FAMILIES[role.slice(0, role.indexOf('/')) as keyof typeof FAMILIES];
}

/** Whether a net is half of an autoencoder; a tiny one in a folder of its own may replace either half. */
export function isAutoencoder(role: NetRole): boolean {
  return useOf(role).isAutoencoder ?? false;
}
