/** What a net is to a model, and what follows from that wherever nets are found, opened, planned and written. */
export interface Role {
  /**
   * Who cannot do without it: every model, all but those that only make pictures of texts, or models with two text encoders
   * alone (their UNet tells).
   */
  needed: 'always' | 'img2img' | 'dual';
  /** How often it runs: when a prompt changes, once a frame, or at every step of every frame. */
  runs: 'prompt' | 'frame' | 'step';
  /** What it is given first: token ids [B, tokens], latents [B, C, h, w], or pictures [B, 3, H, W]. */
  takes: 'tokens' | 'latents' | 'picture';
  /** Whether it is half of an autoencoder: a tiny one may stand in its place, and runs beside the other nets. */
  isAutoencoder?: true;
  /** What it is called beside other nets, without its ending, in small letters: `unet`, `vae_decoder`, `taesdxl_encoder`. */
  flatName: RegExp;
}

/** The nets of a model, in the order in which they are opened. A folder calls them so. */
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

/** Nets that adapters bring, each under its adapter's name. */
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
/** Something of each net that there is. */
export type PerRole<T> = { [Name in NetName]?: T } & { [Role in FamilyRole]: T };

export const netNames = Object.keys(ROLES) as readonly NetName[];

/** Whether a folder of a model may hold a net under this name. */
export function isNetName(name: string): name is NetName {
  return Object.hasOwn(ROLES, name);
}

/** Facts about one of a model's own nets. */
export function factsOf(name: NetName): Role {
  return ROLES[name];
}

/** How often a net runs and what it takes, whosever it is. */
export function useOf(role: NetRole): Pick<Role, 'runs' | 'takes' | 'isAutoencoder'> {
  if (isNetName(role)) return ROLES[role];
  return FAMILIES[role.slice(0, role.indexOf('/')) as keyof typeof FAMILIES];
}

/** Half of an autoencoder; a tiny one in a folder of its own may take the place of either. */
export function isAutoencoder(role: NetRole): boolean {
  return useOf(role).isAutoencoder ?? false;
}
