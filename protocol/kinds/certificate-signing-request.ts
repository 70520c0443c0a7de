import type { CertificateSigningRequest, CertificateSigningRequestSpec } from '../generated/models.ts';
import { humanDuration } from '../human-duration.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, forbidden, invalid, invalidFor, notSupported, required } from './cause.ts';
import { ageColumn, nameColumn, none, textColumn } from './columns.ts';
import { allVerbs, defineKind, type Requester } from './define-kind.ts';
import { domainPrefixedPath } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { keepField, separateStatus } from './object-parts.ts';

const secondsMin = 600;
const usages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];
const verdicts = ['Approved', 'Denied'];

export const certificateSigningRequestKind = defineKind<CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  singular: 'certificatesigningrequest',
  shortNames: ['csr'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.certificates.v1.CertificateSigningRequest',
  verbs: allVerbs,
  subresources: ['approval', 'status'],
  columns: [
    nameColumn,
    ageColumn,
    textColumn('SignerName', 'Who is asked to sign.', ({ spec }) => spec?.signerName || none),
    textColumn('Requestor', 'Who asks.', ({ spec }) => spec?.username ?? ''),
    textColumn('RequestedDuration', 'How long the certificate shall hold.', ({ spec }) =>
      spec?.expirationSeconds === undefined ? none : humanDuration(spec.expirationSeconds * 1000),
    ),
    textColumn('Condition', 'How far it is.', conditionText),
  ],
  selectableFields: { 'spec.signerName': ({ spec }) => spec?.signerName ?? '' },
  generationOf: false,

  prepareCreate(request, { user }) {
    request.status = {};
    const { username: _username, uid: _uid, groups: _groups, extra: _extra, ...asked } = request.spec ?? {};
    request.spec = { ...(asked as CertificateSigningRequestSpec), ...(user ? requestor(user) : {}) };
  },
  prepareUpdate(next, old, context) {
    // What is asked for never changes; a verdict comes through `approval`, the certificate through `status`.
    keepField(next, old, 'spec');
    if (context.subresource === 'approval') keepStatusBut('conditions', next, old);
    else if (context.subresource === 'status') keepVerdicts(next, old);
    else separateStatus(next, old, context);
  },
  validate: (request) => [
    ...validateObjectMeta(request, () => []),
    ...validateSpec(request.spec),
    ...validateConditions(request),
  ],
  validateUpdate: (next, old) => [...validateKeptVerdicts(next, old), ...validateCertificate(next, old)],
});

/** A verdict and a failure are for ever. */
function validateKeptVerdicts(
  next: CertificateSigningRequest,
  old: CertificateSigningRequest,
): StatusCause[] {
  const has = ({ status }: CertificateSigningRequest, type: string) =>
    status?.conditions?.some((condition) => condition.type === type) === true;
  return [...verdicts, 'Failed']
    .filter((type) => has(old, type) && !has(next, type))
    .map((type) => forbidden('status.conditions', `updates may not remove a condition of type "${type}"`));
}

/** Source: k8s.io/kubernetes/pkg/apis/certificates/validation, validateCertificate. */
function validateCertificate(next: CertificateSigningRequest, old: CertificateSigningRequest): StatusCause[] {
  const { certificate = '' } = next.status ?? {};
  const before = old.status?.certificate ?? '';
  if (certificate === before) return [];
  const field = 'status.certificate';
  if (before !== '') return [forbidden(field, 'updates may not modify existing certificate content')];
  const blocks = Buffer.from(certificate, 'base64')
    .toString('latin1')
    .matchAll(/-----BEGIN ([^-]*)-----/g);
  const types = [...blocks].map(([, type]) => type ?? '');
  if (types.length === 0)
    return [invalid(field, '<certificate data>', 'must contain at least one CERTIFICATE PEM block')];
  const other = types.find((type) => type !== 'CERTIFICATE');
  if (other === undefined) return [];
  const detail = `only CERTIFICATE PEM blocks are allowed, found "${other}"`;
  return [invalid(field, '<certificate data>', detail)];
}

/** Who asks is what the server knows, whatever the request says. */
function requestor({ name, uid, groups, extra }: Requester): Partial<CertificateSigningRequestSpec> {
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    groups: [...groups],
    ...(extra ? { extra: structuredClone(extra) as Record<string, string[]> } : {}),
  };
}

function keepStatusBut(
  field: 'conditions',
  next: CertificateSigningRequest,
  old: CertificateSigningRequest,
): void {
  const changed = next.status?.[field];
  next.status = { ...old.status, ...(changed ? { [field]: changed } : {}) };
}

function keepVerdicts(next: CertificateSigningRequest, old: CertificateSigningRequest): void {
  const conditions = [
    ...(old.status?.conditions ?? []).filter(({ type }) => verdicts.includes(type)),
    ...(next.status?.conditions ?? []).filter(({ type }) => !verdicts.includes(type)),
  ];
  next.status = { ...next.status, ...(conditions.length > 0 ? { conditions } : {}) };
}

function conditionText({ status }: CertificateSigningRequest): string {
  const types = (status?.conditions ?? []).map(({ type }) => type);
  const words: string[] = [];
  if (types.includes('Denied')) words.push('Denied');
  else if (types.includes('Approved')) words.push('Approved');
  else words.push('Pending');
  if (types.includes('Failed')) words.push('Failed');
  if ((status?.certificate ?? '') !== '') words.push('Issued');
  return words.join(',');
}

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/certificates/validation. */
function validateSpec(spec: CertificateSigningRequestSpec | undefined): StatusCause[] {
  const { request = '', signerName, usages: wanted = [], expirationSeconds } = spec ?? {};
  const causes: StatusCause[] = [];
  const pem = Buffer.from(request, 'base64').toString('latin1');
  if (!/^\s*-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----/.test(pem)) {
    causes.push(invalid('spec.request', request, 'PEM block type must be CERTIFICATE REQUEST'));
  }
  if (wanted.length === 0) causes.push(required('spec.usages'));
  wanted.forEach((usage, index) => {
    const path = `spec.usages[${index}]`;
    if (!usages.includes(usage)) causes.push(notSupported(path, usage, usages));
    else if (wanted.indexOf(usage) < index) causes.push(duplicate(path, usage));
  });
  if (!signerName) causes.push(required('spec.signerName'));
  else causes.push(...invalidFor('spec.signerName', signerName, domainPrefixedPath(signerName)));
  if (expirationSeconds !== undefined && expirationSeconds < secondsMin) {
    const detail = `may not specify a duration less than ${secondsMin} seconds (10 minutes)`;
    causes.push(invalid('spec.expirationSeconds', expirationSeconds, detail));
  }
  return causes;
}

function validateConditions({ status }: CertificateSigningRequest): StatusCause[] {
  const conditions = status?.conditions ?? [];
  const types = conditions.map(({ type }) => type);
  const causes = conditions.flatMap(({ type, status: value }, index) => {
    const path = `status.conditions[${index}]`;
    if (!type) return [required(`${path}.type`)];
    if (types.indexOf(type) < index) return [duplicate(`${path}.type`, type)];
    const isFixed = verdicts.includes(type) || type === 'Failed';
    if (isFixed && value !== 'True') return [notSupported(`${path}.status`, value ?? '', ['True'])];
    return [];
  });
  if (verdicts.every((type) => types.includes(type))) {
    const detail = 'Approved and Denied conditions are mutually exclusive';
    causes.push(invalid('status.conditions', 'Approved', detail));
  }
  return causes;
}
