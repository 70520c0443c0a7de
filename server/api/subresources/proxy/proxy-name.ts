import { StatusError } from '../../../../protocol/status.ts';

/** What the name in `…/<name>/proxy` asks for: `name`, `name:port`, `scheme:name:port` (source: apimachinery, SplitSchemeNamePort). */
export interface ProxyName {
  scheme: 'http' | 'https';
  name: string;
  /** A number, or a port's name; '' when none is named. */
  port: string;
}

/** Throws BadRequest. */
export function parseProxyName(text: string): ProxyName {
  const parts = text.split(':');
  const [first = '', second = '', third = ''] = parts;
  if (parts.length === 1 && first) return { scheme: 'http', name: first, port: '' };
  if (parts.length === 2 && first) return { scheme: 'http', name: first, port: second };
  const scheme = first || 'http';
  if (parts.length === 3 && second && (scheme === 'http' || scheme === 'https'))
    return { scheme, name: second, port: third };
  throw new StatusError('BadRequest', `invalid service request ${JSON.stringify(text)}`);
}
