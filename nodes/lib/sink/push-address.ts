import { EngineError } from '../../../engine/errors';
import type { HiddenOption } from '../../../engine/util/hidden-options';
import { quote } from '../../../engine/util/quote';
import { trust } from '../ffmpeg/arguments';
import { isAddress, type Login, maskSecrets, secretsOf, splitLogin } from '../ffmpeg/camera-address';

const FORMATS: Record<string, string> = { rtmp: 'flv', rtmps: 'flv', rtsp: 'rtsp', rtsps: 'rtsp', srt: 'mpegts' };
/** Of SRT's encryption. */
const PASSPHRASE = { min: 10, max: 64 };
/** As SRT and RTMP servers take them at most. */
const LONGEST_KEY = 500;
/** A shorter key says nothing that would have to be hidden. */
const TELLING_LENGTH = 4;

/** What the sink's dialog keeps apart from the flow. */
export interface PushCredentials {
  user: string;
  password: string;
  /** The stream key: behind the address (RTMP, RTSP), or SRT's `streamid`. */
  key: string;
}

/** Where and how pictures are sent. */
export interface PushOptions {
  /** ffmpeg's path, or its name to be found on PATH. */
  ffmpeg: string;
  /** The address as it may be told. */
  address: string;
  /** And as ffmpeg gets it. */
  target: string;
  /** Of ffmpeg. */
  format: string;
  /** Pictures a second. */
  fps: number;
  /** kbit/s. */
  kbps: number;
  /** More of ffmpeg's options for the output. */
  further: string[];
  /** The same that nobody is to read. */
  hidden: HiddenOption[];
  /** What no text may hold. */
  secrets: string[];
}

type Where = Pick<PushOptions, 'address' | 'target' | 'format' | 'further' | 'hidden' | 'secrets'>;

/**
 * How ffmpeg is told where pictures go.
 * @param text the dialog's: an address of RTMP, RTSP or SRT
 * @throws EBADPARAM when pictures cannot be sent there
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
  /** The stream key as it stands in the target, where it stands there. */
  keyAsSent?: string;
}

const telling = (secrets: string[]): string[] => secrets.filter(({ length }) => length >= TELLING_LENGTH);

/** SRT knows no fragments: its stream ids begin with `#!::` as a rule. */
const withoutHash = (address: string): string => address.replace(/\?.*/s, (query) => query.replaceAll('#', '%23'));

/** What an address of SRT holds that nobody is to read, as it is written there and as it is meant: a stream id may hold a login as well. */
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

/** Puts a stream key behind the path; what it asks for, as in `wall?token=…`, comes before what the address does. @returns it as it stands there */
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

/** ffmpeg takes the first of two options, in the address; what is secret there goes where nobody reads it. */
function srt(address: URL, told: string, login: Login | undefined, password: string | undefined, key: string | undefined): Way {
  const { searchParams } = address;
  const mode = searchParams.get('mode') ?? 'caller';
  if (mode !== 'caller')
    throw new EngineError(
      'EBADPARAM',
      `push calls the other side, so that one has to listen: ${quote(told)} asks for the mode ${quote(mode)}`,
    );
  if (!address.port) throw new EngineError('EBADPARAM', `push needs a port with SRT, as in srt://host:9000: ${quote(told)} has none`);
  if (login?.user)
    throw new EngineError('EBADPARAM', 'SRT knows no user: leave it empty, and put what the server asks for into the stream key');
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
