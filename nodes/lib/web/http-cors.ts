import type { RequestHandler } from 'express';

type Origin = string | boolean | RegExp | undefined;
type OriginRule =
  | Origin
  | Origin[]
  | ((origin: string | undefined, answer: (error: Error | null, rule?: Origin | Origin[]) => void) => void);

/** The part of Node-RED's `httpNodeCors` setting (options of the `cors` package) that matters to a plain GET. */
export interface CorsSettings {
  origin?: OriginRule;
  credentials?: boolean;
  exposedHeaders?: string | string[];
}

/** Sets the response headers that `httpNodeCors` asks for. Preflights are answered by Node-RED itself. */
export function corsHeaders(settings: CorsSettings | undefined): RequestHandler {
  if (!settings) return (_request, _response, next) => next();
  return (request, response, next) => {
    const requestOrigin = request.headers.origin;
    const apply = (rule: Origin | Origin[]): void => {
      const allowed = allowedOrigin(requestOrigin, rule);
      if (allowed !== '*') response.vary('Origin');
      if (allowed) response.set('Access-Control-Allow-Origin', allowed);
      if (settings.credentials) response.set('Access-Control-Allow-Credentials', 'true');
      if (settings.exposedHeaders) response.set('Access-Control-Expose-Headers', [settings.exposedHeaders].flat().join(','));
      next();
    };
    if (typeof settings.origin !== 'function') return apply(settings.origin ?? '*');
    settings.origin(requestOrigin, (error, rule) => (error ? next(error) : apply(rule)));
  };
}

/** Whether `httpNodeCors` allows this origin, for connections to which browsers do not apply CORS. */
export async function isAllowedOrigin(settings: CorsSettings | undefined, origin: string | undefined): Promise<boolean> {
  if (!settings || !origin) return false;
  const ask = settings.origin ?? '*';
  const rule =
    typeof ask === 'function'
      ? await new Promise<Origin | Origin[]>((resolve) => ask(origin, (error, answer) => resolve(error ? false : answer)))
      : ask;
  const allowed = allowedOrigin(origin, rule);
  return allowed === '*' || allowed === origin;
}

function allowedOrigin(origin: string | undefined, rule: Origin | Origin[]): string | undefined {
  if (rule === '*') return '*';
  if (typeof rule === 'string') return rule;
  if (!origin) return undefined;
  return matches(origin, rule) ? origin : undefined;
}

function matches(origin: string, rule: Origin | Origin[]): boolean {
  if (Array.isArray(rule)) return rule.some((one) => matches(origin, one));
  return rule instanceof RegExp ? rule.test(origin) : rule === true || rule === origin;
}
