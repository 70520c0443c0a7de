import { isIpAddress } from '../kinds/name-rules.ts';

/**
 * The string formats that are checked; any other is a remark for readers (source:
 * k8s.io/kube-openapi/pkg/validation/strfmt).
 */
const formats: Readonly<Record<string, (text: string) => boolean>> = {
  byte: (text) => /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0,
  cidr: isCidr,
  creditcard: (text) => /^[0-9]{13,19}$/.test(text.replaceAll(/\D/g, '')),
  date: isDate,
  'date-time': isDateTime,
  datetime: isDateTime,
  duration: (text) => goDuration.test(text) || scalaDuration.test(text),
  email: (text) => /^[^\s@<>]+@[^\s@<>]+$/.test(text),
  hexcolor: (text) => /^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text),
  hostname: (text) =>
    text.length <= 255 &&
    text.split('.').every((label) => /^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/.test(label)),
  ipv4: (text) => text.includes('.') && !text.includes(':') && isIpAddress(text),
  ipv6: (text) => text.includes(':') && isIpAddress(text),
  mac: (text) =>
    /^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/.test(text) ||
    /^([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}$/.test(text),
  rgbcolor: (text) => /^rgb\((\s*\d{1,3}\s*,){2}\s*\d{1,3}\s*\)$/.test(text),
  ssn: (text) => /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text),
  uri: (text) => URL.canParse(text) || /^\/\S*$/.test(text),
  uuid: (text) => /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(text),
  uuid3: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text),
  uuid4: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(text),
  uuid5: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(text),
};

const goDuration =
  /^[-+]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*)$/;
const scalaDuration =
  /^\d+\s*(ns|nanos?(econds?)?|us|micros?(econds?)?|ms|millis?(econds?)?|s|sec(ond)?s?|m|min(ute)?s?|h|hours?|hr|d|days?|w|weeks?|wk)$/;

/** Longer texts fit no format. */
const formattedCharactersMax = 65_536;

/** Whether `text` is of the format; any text is of an unknown one. */
export function fitsFormat(text: string, format: string): boolean {
  const fits = Object.hasOwn(formats, format) ? formats[format] : undefined;
  return !fits || (text.length <= formattedCharactersMax && fits(text));
}

function isDate(text: string): boolean {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

function isDateTime(text: string): boolean {
  const match = /^(\d{4}-\d{2}-\d{2})[Tt]\d{2}:\d{2}:\d{2}([.,]\d+)?([Zz]|[+-]\d{2}:\d{2})$/.exec(text);
  return match !== null && isDate(match[1] ?? '') && !Number.isNaN(Date.parse(text.replace(',', '.')));
}

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...more] = text.split('/');
  const most = address.includes(':') ? 128 : 32;
  return more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most && isIpAddress(address);
}
