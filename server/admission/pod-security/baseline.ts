import type { SELinuxOptions } from '../../../protocol/generated/models.ts';
import { safeSysctls } from '../../../protocol/safe-sysctls.ts';
import {
  type Check,
  type CheckedContainer,
  containersText,
  namesOf,
  plural,
  quoted,
  violation,
} from './check.ts';

/** Source of rules and wording: k8s.io/pod-security-admission/policy. The order is that of the messages. */
const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';
const capabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);
const seLinuxTypes = new Set([
  '',
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
]);

const appArmor: Check = {
  broken({ metadata, spec, containers }) {
    const isForbidden = (type: string | undefined) =>
      type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost';
    const say = (who: string, type: string | undefined) =>
      isForbidden(type) ? [`${who} must not set AppArmor profile type to ${JSON.stringify(type)}`] : [];
    const annotations = Object.entries(metadata.annotations ?? {}).filter(
      ([key, value]) =>
        key.startsWith(appArmorPrefix) &&
        value !== '' &&
        value !== 'runtime/default' &&
        !value.startsWith('localhost/'),
    );
    return violation('forbidden AppArmor profile', [
      ...say('pod', spec.securityContext?.appArmorProfile?.type),
      ...containers.flatMap(({ name, securityContext }) =>
        say(`container ${JSON.stringify(name)}`, securityContext?.appArmorProfile?.type),
      ),
      ...annotations.map(([key, value]) => `annotation ${JSON.stringify(key)}=${JSON.stringify(value)}`),
    ]);
  },
};

/** Replaced by a stricter one at the restricted level. */
export const baselineCapabilities: Check = {
  broken: ({ containers }) =>
    violation('non-default capabilities', addedCapabilities(containers, capabilities)),
};

export function addedCapabilities(
  containers: readonly CheckedContainer[],
  allowed: ReadonlySet<string>,
): string[] {
  const forbidden = (container: CheckedContainer) =>
    (container.securityContext?.capabilities?.add ?? []).filter((name) => !allowed.has(name));
  const wrong = containers.filter((container) => forbidden(container).length > 0);
  if (wrong.length === 0) return [];
  const names = [...new Set(wrong.flatMap(forbidden))].sort();
  return [
    `${containersText(namesOf(wrong))} must not include ${quoted(names)} in securityContext.capabilities.add`,
  ];
}

const hostNamespaces: Check = {
  broken({ spec }) {
    const set = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name] === true);
    return set.length === 0
      ? undefined
      : { reason: 'host namespaces', detail: set.map((name) => `${name}=true`).join(', ') };
  },
};

/** Replaced by a stricter one at the restricted level. */
export const hostPathVolumes: Check = {
  broken({ spec }) {
    const names = (spec.volumes ?? []).flatMap(({ name, hostPath }) => (hostPath ? [name] : []));
    return violation(
      'hostPath volumes',
      names.length > 0 ? [`${plural('volume', names)} ${quoted(names)}`] : [],
    );
  },
};

const hostPorts: Check = {
  broken({ containers }) {
    const portsOf = (container: CheckedContainer) =>
      (container.ports ?? []).flatMap(({ hostPort }) => (hostPort ? [String(hostPort)] : []));
    const wrong = containers.filter((container) => portsOf(container).length > 0);
    const ports = [...new Set(wrong.flatMap(portsOf))].sort();
    const verb = wrong.length === 1 ? 'uses' : 'use';
    return violation(
      'hostPort',
      ports.length > 0
        ? [`${containersText(namesOf(wrong))} ${verb} ${plural('hostPort', ports)} ${ports.join(', ')}`]
        : [],
    );
  },
};

const hostProbes: Check = {
  since: 34,
  broken({ containers }) {
    const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: CheckedContainer) =>
      [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap(
        (handler) => [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host) => host),
      );
    const wrong = namesOf(containers.filter((container) => hostsOf(container).length > 0));
    const verb = wrong.length === 1 ? 'uses' : 'use';
    return violation(
      'probe or lifecycle host',
      wrong.length > 0 ? [`${containersText(wrong)} ${verb} probe or lifecycle host`] : [],
    );
  },
};

const privileged: Check = {
  broken: ({ containers }) =>
    mustNotSet('privileged', containers, (context) => context?.privileged === true, 'privileged=true'),
};

const procMount: Check = {
  broken({ containers }) {
    const wrong = containers.filter(({ securityContext }) => {
      const type = securityContext?.procMount;
      return type !== undefined && type !== '' && type !== 'Default';
    });
    const types = [...new Set(wrong.map(({ securityContext }) => securityContext?.procMount ?? ''))].sort();
    return violation(
      'procMount',
      wrong.length > 0
        ? [`${containersText(namesOf(wrong))} must not set securityContext.procMount to ${quoted(types)}`]
        : [],
    );
  },
};

function mustNotSet(
  reason: string,
  containers: readonly CheckedContainer[],
  isSet: (context: CheckedContainer['securityContext']) => boolean,
  what: string,
) {
  const wrong = namesOf(containers.filter(({ securityContext }) => isSet(securityContext)));
  return violation(
    reason,
    wrong.length > 0 ? [`${containersText(wrong)} must not set securityContext.${what}`] : [],
  );
}

const seLinuxOptions: Check = {
  broken({ spec, containers }) {
    const faults = (options: SELinuxOptions | undefined) => [
      ...(seLinuxTypes.has(options?.type ?? '') ? [] : [`type ${JSON.stringify(options?.type)}`]),
      ...(options?.user ? ['user may not be set'] : []),
      ...(options?.role ? ['role may not be set'] : []),
    ];
    const setters = [
      ...(faults(spec.securityContext?.seLinuxOptions).length > 0 ? ['pod'] : []),
      ...containers
        .filter(({ securityContext }) => faults(securityContext?.seLinuxOptions).length > 0)
        .map(({ name }) => `container ${JSON.stringify(name)}`),
    ];
    const all = [spec.securityContext, ...containers.map(({ securityContext }) => securityContext)];
    const said = [...new Set(all.flatMap((context) => faults(context?.seLinuxOptions)))];
    return violation(
      'seLinuxOptions',
      setters.length > 0
        ? [`${setters.join(' and ')} set forbidden securityContext.seLinuxOptions: ${said.join('; ')}`]
        : [],
    );
  },
};

/** Replaced by a stricter one at the restricted level. */
export const baselineSeccomp: Check = {
  since: 19,
  broken: ({ spec, containers }) =>
    violation('seccompProfile', unconfined(spec.securityContext?.seccompProfile?.type, containers)),
};

export function unconfined(ofPod: string | undefined, containers: readonly CheckedContainer[]): string[] {
  const isForbidden = (type: string | undefined): type is string =>
    type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost';
  const wrong = containers.filter(({ securityContext }) =>
    isForbidden(securityContext?.seccompProfile?.type),
  );
  const rest = (types: readonly string[]) =>
    `must not set securityContext.seccompProfile.type to ${quoted([...new Set(types)].sort())}`;
  return [
    ...(isForbidden(ofPod) ? [`pod ${rest([ofPod])}`] : []),
    ...(wrong.length > 0
      ? [
          `${containersText(namesOf(wrong))} ${rest(
            wrong.map(({ securityContext }) => securityContext?.seccompProfile?.type ?? ''),
          )}`,
        ]
      : []),
  ];
}

const sysctls: Check = {
  broken({ spec }) {
    const names = (spec.securityContext?.sysctls ?? []).map(({ name }) => name);
    const forbidden = names.filter((name) => !safeSysctls.has(name));
    return forbidden.length > 0 ? { reason: 'forbidden sysctls', detail: forbidden.join(', ') } : undefined;
  },
};

const hostProcess: Check = {
  broken({ spec, containers }) {
    const wrong = containers.filter(({ securityContext }) => securityContext?.windowsOptions?.hostProcess);
    const what = 'must not set securityContext.windowsOptions.hostProcess=true';
    return violation('hostProcess', [
      ...(spec.securityContext?.windowsOptions?.hostProcess ? [`pod ${what}`] : []),
      ...(wrong.length > 0 ? [`${containersText(namesOf(wrong))} ${what}`] : []),
    ]);
  },
};

export const baselineChecks: readonly Check[] = [
  appArmor,
  baselineCapabilities,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbes,
  privileged,
  procMount,
  seLinuxOptions,
  baselineSeccomp,
  sysctls,
  hostProcess,
];
