/** Addresses of cameras and videos, and the secrets in them, which must not appear in logs or the list of processes. */

const SCHEME = /^\s*([a-z][a-z0-9+.-]*:\/\/)/i;
/** A host, optionally with a port, without parts of an unescaped password. */
const HOST = /^(\[[0-9a-f:.%]+\]|[^:[\]@\s]*)(:\d*)?[:,.;'")\]]*$/i;
/** Parameters with secrets, in a query or, with some cameras, in the path. */
const SECRET =
  /([?&;/_,=]|^)([\w-]*?(?:pass(?:w(?:or)?d|phrase|code)?|loginpas|pwd|psw|pw|secret|token|auth(?:orization)?|api[_-]?key|key|sig(?:nature)?|credentials?))=([^&;#\s'"<>)]+)/gi;
/** A shorter value may occur anywhere, so it is only hidden after its name. */
const TELLING_LENGTH = 4;

export interface Login {
  user: string;
  password: string;
}

export function isAddress(input: string): boolean {
  return SCHEME.test(input);
}

/** The address without its login, and the decoded login; undefined where there is none. */
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
 * The full address for its server, with its login (from the address or given separately) or another secret; undefined where
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

/** The secrets to hide in texts: the separate password, and those in the address. */
export function secretsOf(input: string, password?: string): string[] {
  if (!isAddress(input)) return password ? [password] : [];
  // In a path, a "_" may separate the next parameter or be part of the secret.
  const values = secretParameters(input).flatMap((value) => [value, value.split(/_[a-z]+=/i)[0]]);
  const telling = values.filter((value) => value.length >= TELLING_LENGTH);
  return [password, splitLogin(input)?.password, ...telling].filter((secret): secret is string => Boolean(secret));
}

/** `text` without secrets: the given ones, any login in an address, and any parameter with a secret. */
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

/** The position of the `@` after a login; -1 where there is none. A password may contain any character unescaped. */
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
    // The percent sign is part of a password.
    return text;
  }
}
