import type { PodSecurityContext, SecurityContext } from '../../../../protocol/generated/models.ts';
import { actedOn, app, inContainer, nothing, type Row, readBy, refused, wholly } from './fates.ts';

const own = (field: string, securityContext: SecurityContext, from: SecurityContext = {}): Row =>
  inContainer(`securityContext.${field}`, { securityContext }, { securityContext: from });
const ofPod = (field: string, securityContext: PodSecurityContext, from: PodSecurityContext = {}): Row =>
  actedOn(`securityContext.${field}`, { securityContext }, { securityContext: from });

const notAProcess = (row: Row, word: RegExp): Row => {
  const spec = row.fate.is === 'acted on' ? row.fate.to : {};
  return { ...row, process: refused(spec, word) };
};

const profile = { type: 'Localhost', localhostProfile: 'a' };
const both = [
  { field: 'runAsUser', to: { runAsUser: 7 } },
  { field: 'runAsGroup', to: { runAsUser: 7, runAsGroup: 7 }, from: { runAsUser: 7 } },
  { field: 'runAsNonRoot', to: { runAsNonRoot: true } },
];
interface Profiled {
  field: string;
  to: PodSecurityContext;
  from?: PodSecurityContext;
  /** A process has it. */
  open?: boolean;
}
const notForProcesses: Profiled[] = [
  { field: 'seccompProfile.type', to: { seccompProfile: { type: 'Unconfined' } }, open: true },
  {
    field: 'seccompProfile.localhostProfile',
    to: { seccompProfile: { ...profile, localhostProfile: 'b' } },
    from: { seccompProfile: profile },
  },
  { field: 'appArmorProfile.type', to: { appArmorProfile: { type: 'Unconfined' } }, open: true },
  {
    field: 'appArmorProfile.localhostProfile',
    to: { appArmorProfile: { ...profile, localhostProfile: 'b' } },
    from: { appArmorProfile: profile },
  },
  ...['level', 'role', 'type', 'user'].map((part) => ({
    field: `seLinuxOptions.${part}`,
    to: { seLinuxOptions: { [part]: 'x' } },
  })),
];

const shared: Row[] = [own, ofPod].flatMap((of) => [
  ...both.map(({ field, to, from }) => of(field, to, from)),
  ...notForProcesses.map(({ field, to, from, open }) => {
    const row = of(field, to, from);
    return open ? row : notAProcess(row, new RegExp(`${field.split('.')[0]} .*is not enforced`));
  }),
]);

const ofContainers: Row[] = [
  own('allowPrivilegeEscalation', { allowPrivilegeEscalation: false }),
  own('capabilities.add', { capabilities: { add: ['NET_ADMIN'] } }),
  own('capabilities.drop', { capabilities: { drop: ['ALL'] } }),
  own('privileged', { privileged: true }),
  own('readOnlyRootFilesystem', { readOnlyRootFilesystem: true }),
  {
    path: 'containers.securityContext.procMount',
    fate: refused(app({ securityContext: { procMount: 'Unmasked' } }), /procMount .*is not enforced/),
  },
  wholly(
    'containers.securityContext.windowsOptions',
    nothing('for pods of Windows, which are refused by their os'),
  ),
];

const ofPods: Row[] = [
  ofPod('supplementalGroups', { supplementalGroups: [5] }),
  ofPod('supplementalGroupsPolicy', { runAsUser: 7, supplementalGroupsPolicy: 'Strict' }, { runAsUser: 7 }),
  ofPod('fsGroup', { fsGroup: 5 }),
  ...readBy('agent/volumes/ownership.ts', 'securityContext', 'fsGroupChangePolicy'),
  {
    path: 'securityContext.seLinuxChangePolicy',
    fate: nothing('volumes are never relabelled for SELinux here, so it is never about how'),
  },
  ...['name', 'value'].map((field): Row => {
    const from = { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] };
    const other = field === 'name' ? 'net.ipv4.tcp_fin_timeout' : 'net.ipv4.tcp_syncookies';
    const row = ofPod(`sysctls.${field}`, { sysctls: [{ name: other, value: '0' }] }, from);
    return notAProcess(row, /forbidden sysctl: .* not allowed with host net enabled/);
  }),
  wholly('securityContext.windowsOptions', nothing('for pods of Windows, which are refused by their os')),
];

export const securityRows: readonly Row[] = [...shared, ...ofContainers, ...ofPods];
