import { EngineError } from '../../../engine/errors';
import type { HiddenOption } from '../../../engine/util/hidden-options';
import { quote } from '../../../engine/util/quote';
import { trust } from '../ffmpeg/arguments';
import { isAddress, type Login, maskSecrets, secretsOf, splitLogin } from '../ffmpeg/camera-address';

const FORMATS: Record<string, string> = { rtmp: 'flv', rtmps: 'flv', rtsp: 'rtsp', rtsps: 'rtsp', srt: 'mpegts' };
/** The length of SRT's passphrase. */
const PASSPHRASE = { min: 10, max: 64 };
/** The longest stream key that SRT and RTMP servers take. */
const LONGEST_KEY = 500;
/** Shorter keys are not hidden in texts, since they may occur anywhere. */
const TELLING_LENGTH = 4;

/** The credentials of the sink's dialog, which Node-RED stores apart from the flow. */
export interface PushCredentials {
  user: string;
  password: string;
  /** The stream key: appended to the address (RTMP, RTSP), or SRT's `streamid`. */
  key: string;
}

/** The settings for sending pictures to a server. */
export interface PushOptions {
  /** ffmpeg's path, or its name on PATH. */
  ffmpeg: string;
  /** The address without secrets, for messages. */
  address: string;
  /** The address for ffmpeg. */
  target: string;
  /** ffmpeg's output format. */
  format: string;
  /** Frames per second. */
  fps: number;
  /** The bit rate, kbit/s. */
  kbps: number;
  /** Further options of ffmpeg for the output. */
  further: string[];
  /** Further options with secrets. */
  hidden: HiddenOption[];
  /** The secrets, which must not appear in texts. */
  secrets: string[];
}

type Where = Pick<PushOptions, 'address' | 'target' | 'format' | 'further' | 'hidden' | 'secrets'>;

/**
 * Reads where pictures are sent.
 *
 * @param text the dialog's address of RTMP, RTSP or SRT
 * @throws EBADPARAM for an address that cannot be used
 */
export function pushAddress(text: string, { user, password, key }: Partial<PushCredentials> = {}): Where {
  const secrets = [...secretsOf(text, password), ...telling([key ?? '', ...srtSecrets(text)])];
  const told = maskSecrets(text.trim(), secrets);
  const within = splitLogin(text);
  const plain = within?.address ?? text.trim();
  const scheme = /^([a-z]+):/i.exec(plain)?.[1].toLowerCase() ?? '';
  if (!isAddress(plain) || !(scheme in FORMATS) || !URL.canParse(plain)) {
    throw new EngineError(
      'EBADPARAM',
      `push must be an address such as rtmp://, rtmps://, rtsp://, rtsps:// or srt://…, not ${quote(told)}`,
    );
  }
  for (const value of [user, password, key].map((each) => each ?? '')) {
    if (/\p{Cc}/u.test(value)) throw new EngineError('EBADPARAM', 'user, password and stream key must be one line each');
  }
  if ((key ?? '').length > LONGEST_KEY)
    throw new EngineError('EBADPARAM', `the stream key has ${key?.length} characters, of at most ${LONGEST_KEY}`);
  const address = new URL(scheme === 'srt' ? withoutHash(plain) : plain);
  if (!address.hostname) throw new EngineError('EBADPARAM', `push needs a host: ${quote(told)} has none`);
  const login = user ? { user, password: password ?? '' } : within;
  const where =
    scheme === 'srt'
      ? srt(address, told, login, password, key)
      : scheme.startsWith('rtmp')
        ? rtmp(address, login, key)
        : rtsp(address, login, key);
  const trusted = trust({ anyCertificate: false }, `${scheme}:`).flatMap(([name, value]) => [`-${name}`, value]);
  const { keyAsSent = '', ...way } = where;
  return {
    address: told,
    format: FORMATS[scheme],
    ...way,
    secrets: [...secrets, ...telling([keyAsSent])],
    further: [...way.further, ...trusted],
  };
}

interface Way extends Pick<PushOptions, 'target' | 'further' | 'hidden'> {
  /** The stream key as it is encoded in the target, if it is part of it. */
  keyAsSent?: string;
}

const telling = (secrets: string[]): string[] => secrets.filter(({ length }) => length >= TELLING_LENGTH);

/** SRT has no fragments: its stream ids usually begin with `#!::`. */
const withoutHash = (address: string): string => address.replace(/\?.*/s, (query) => query.replaceAll('#', '%23'));

/** The secrets in an address of SRT, encoded and decoded: a stream id may contain a login as well. */
function srtSecrets(text: string): string[] {
  const pairs = [...text.trim().matchAll(/[?&]((?:streamid|passphrase)=([^&]+))/g)];
  return pairs.flatMap(([, pair, written]) => [written, ...new URLSearchParams(pair).values()]);
}

function rtmp(address: URL, login: Login | undefined, key?: string): Way {
  logIn(address, login);
  if (!key) return { target: address.href, further: [], hidden: [] };
  const app = address.pathname.replace(/^\/+|\/+$/g, '');
  return { target: address.href.replace(/\/+$/, ''), further: ['-rtmp_app', app], hidden: [['rtmp_playpath', key]] };
}

function rtsp(address: URL, login: Login | undefined, key?: string): Way {
  logIn(address, login);
  const keyAsSent = key && addKey(address, key);
  return { target: address.href, further: ['-rtsp_transport', 'tcp'], hidden: [], keyAsSent };
}

/** Appends a stream key to the path. Its parameters, as in `wall?token=…`, come before those of the address. @returns the key as it is encoded there */
function addKey(address: URL, key: string): string {
  const [path, ...asked] = key.replace(/^\/+/, '').split('?');
  const base = `${address.pathname.replace(/\/+$/, '')}/`;
  const own = address.search.slice(1);
  address.pathname = base + path;
  address.search = asked.join('?');
  const sent = address.pathname.slice(base.length) + address.search;
  address.search = [address.search.slice(1), own].filter(Boolean).join('&');
  return sent;
}

/** An address of SRT. ffmpeg uses the first of two equal options in the address; secrets are moved to hidden options. */
function srt(address: URL, told: string, login: Login | undefined, password: string | undefined, key: string | undefined): Way {
  const { searchParams } = address;
  const mode = searchParams.get('mode') ?? 'caller';
  if (mode !== 'caller')
    throw new EngineError(
      'EBADPARAM',
      `push connects to the other side, which must listen: ${quote(told)} asks for the mode ${quote(mode)}`,
    );
  if (!address.port) throw new EngineError('EBADPARAM', `push needs a port with SRT, as in srt://host:9000: ${quote(told)} has none`);
  if (login?.user)
    throw new EngineError('EBADPARAM', 'SRT has no user: leave it empty, and put the login that the server needs into the stream key');
  const phrase = password || searchParams.get('passphrase');
  const id = key || searchParams.get('streamid');
  if (phrase && (phrase.length < PASSPHRASE.min || phrase.length > PASSPHRASE.max)) {
    const { min, max } = PASSPHRASE;
    throw new EngineError('EBADPARAM', `a passphrase of SRT has ${min} to ${max} characters; the password has ${phrase.length}`);
  }
  for (const name of ['passphrase', 'streamid']) searchParams.delete(name);
  return {
    target: address.href,
    further: [],
    hidden: [...(phrase ? [['passphrase', phrase] as const] : []), ...(id ? [['srt_streamid', id] as const] : [])],
  };
}

function logIn(address: URL, login: Login | undefined): void {
  if (!login) return;
  address.username = encodeURIComponent(login.user);
  address.password = encodeURIComponent(login.password);
}
