/** Addresses of cameras and videos, and what in them nobody is to read who sees a log or the list of processes. */

const SCHEME = /^\s*([a-z][a-z0-9+.-]*:\/\/)/i;
/** A host, perhaps with a port, and nothing of a password that somebody wrote there as it is. */
const HOST = /^(\[[0-9a-f:.%]+\]|[^:[\]@\s]*)(:\d*)?[:,.;'")\]]*$/i;
/** Parameters that hold a secret, in a query or, as some cameras have it, in the path. */
const SECRET =
  /([?&;/_,=]|^)([\w-]*?(?:pass(?:w(?:or)?d|phrase|code)?|loginpas|pwd|psw|pw|secret|token|auth(?:orization)?|api[_-]?key|key|sig(?:nature)?|credentials?))=([^&;#\s'"<>)]+)/gi;
/** A shorter value may be anything; it is hidden where its name stands before it. */
const TELLING_LENGTH = 4;

export interface Login {
  user: string;
  password: string;
}

export function isAddress(input: string): boolean {
  return SCHEME.test(input);
}

/** The address without the login in it, and the login as it is meant; undefined where there is none. */
export function splitLogin(input: string): (Login & { address: string }) | undefined {
  const scheme = SCHEME.exec(input)?.[0];
  if (!scheme) return undefined;
  const rest = input.slice(scheme.length);
  const end = loginEnd(rest);
  if (end < 0) return undefined;
  const [user, ...password] = rest.slice(0, end).split(':');
  return { address: scheme.trim() + rest.slice(end + 1).trim(), user: decoded(user), password: decoded(password.join(':')) };
}

/** Whether an address holds a login or another secret. */
export function holdsSecret(input: string): boolean {
  return isAddress(input) && (splitLogin(input) !== undefined || secretParameters(input).length > 0);
}

/**
 * The address for whom it is meant, with its login, if it has one, in itself or beside it, or another secret; undefined where
 * there is no secret.
 */
export function secretAddress(input: string, beside: Partial<Login> = {}): URL | undefined {
  const within = splitLogin(input);
  const plain = within?.address ?? input.trim();
  if (!isAddress(plain) || !URL.canParse(plain)) return undefined;
  const address = new URL(plain);
  const login = beside.user ? beside : within;
  if (login) {
    address.username = encodeURIComponent(login.user ?? '');
    address.password = encodeURIComponent(login.password ?? '');
  }
  return address.username || address.password || secretParameters(plain).length > 0 ? address : undefined;
}

/** What is to be hidden wherever it is told: the password beside an address, and the secrets in it. */
export function secretsOf(input: string, password?: string): string[] {
  if (!isAddress(input)) return password ? [password] : [];
  // In a path, the next parameter may stand behind a "_", which may as well be part of the secret.
  const values = secretParameters(input).flatMap((value) => [value, value.split(/_[a-z]+=/i)[0]]);
  const telling = values.filter((value) => value.length >= TELLING_LENGTH);
  return [password, splitLogin(input)?.password, ...telling].filter((secret): secret is string => Boolean(secret));
}

/** `text` without what must not be read in a log: the given secrets, any login inside an address, any parameter that is a secret. */
export function maskSecrets(text: string, secrets: string[] = []): string {
  const forms = secrets.flatMap((secret) => [secret, encodeURIComponent(secret), encodeURI(secret)]).sort((a, b) => b.length - a.length);
  const masked = forms.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  return masked
    .replace(
      /([a-z][a-z0-9+.-]*:\/\/)(\S+)/gi,
      (_, scheme: string, rest: string) => scheme + (loginEnd(rest) < 0 ? rest : `***${rest.slice(rest.lastIndexOf('@'))}`),
    )
    .replace(SECRET, '$1$2=***');
}

/** Where a login before a host ends, at its `@`; -1 where there is none. A password may hold any character, as it is. */
function loginEnd(rest: string): number {
  const [authority] = rest.split(/[/?#]/, 1);
  if (authority.includes('@')) return authority.lastIndexOf('@');
  return HOST.test(authority) ? -1 : rest.lastIndexOf('@');
}

function secretParameters(address: string): string[] {
  return [...address.matchAll(SECRET)].map(([, , , value]) => value);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that is part of a password.
    return text;
  }
}
