import type { Volume } from '../../../protocol/generated/models.ts';
import {
  addedCapabilities,
  baselineCapabilities,
  baselineChecks,
  baselineSeccomp,
  hostPathVolumes,
  unconfined,
} from './baseline.ts';
import { type Check, containersText, namesOf, plural, quoted, violation } from './check.ts';

/** Source of rules and wording: k8s.io/pod-security-admission/policy. */
const volumeTypes = new Set<string>([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
] satisfies (keyof Volume)[]);
const mayAdd = new Set(['NET_BIND_SERVICE']);

const allowPrivilegeEscalation: Check = {
  broken({ containers }) {
    const wrong = containers.filter(
      ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false,
    );
    const who = containersText(namesOf(wrong));
    return violation(
      'allowPrivilegeEscalation != false',
      wrong.length > 0 ? [`${who} must set securityContext.allowPrivilegeEscalation=false`] : [],
    );
  },
};

const capabilities: Check = {
  since: 22,
  broken({ containers }) {
    const keeping = containers.filter(
      ({ securityContext }) => !securityContext?.capabilities?.drop?.includes('ALL'),
    );
    return violation('unrestricted capabilities', [
      ...(keeping.length > 0
        ? [`${containersText(namesOf(keeping))} must set securityContext.capabilities.drop=["ALL"]`]
        : []),
      ...addedCapabilities(containers, mayAdd),
    ]);
  },
};

const restrictedVolumes: Check = {
  broken({ spec }) {
    const typeOf = (volume: Volume) => Object.keys(volume).find((key) => key !== 'name') ?? 'unknown';
    const wrong = (spec.volumes ?? []).filter((volume) => !volumeTypes.has(typeOf(volume)));
    const types = [...new Set(wrong.map(typeOf))].sort();
    const names = wrong.map(({ name }) => name);
    const verb = wrong.length === 1 ? 'uses' : 'use';
    return violation(
      'restricted volume types',
      wrong.length > 0
        ? [
            `${plural('volume', names)} ${quoted(names)} ${verb} restricted volume ${plural('type', types)} ${quoted(types)}`,
          ]
        : [],
    );
  },
};

const runAsNonRoot: Check = {
  broken({ spec, containers }) {
    const ofPod = spec.securityContext?.runAsNonRoot;
    const root = containers.filter(({ securityContext }) => securityContext?.runAsNonRoot === false);
    const silent = containers.filter(
      ({ securityContext }) => securityContext?.runAsNonRoot === undefined && ofPod !== true,
    );
    const forbidden = 'must not set securityContext.runAsNonRoot=false';
    const details = [
      ...(ofPod === false ? [`pod ${forbidden}`] : []),
      ...(root.length > 0 ? [`${containersText(namesOf(root))} ${forbidden}`] : []),
    ];
    if (details.length === 0 && silent.length > 0)
      details.push(`pod or ${containersText(namesOf(silent))} must set securityContext.runAsNonRoot=true`);
    return violation('runAsNonRoot != true', details);
  },
};

const runAsUser: Check = {
  since: 23,
  broken({ spec, containers }) {
    const wrong = containers.filter(({ securityContext }) => securityContext?.runAsUser === 0);
    const what = 'must not set securityContext.runAsUser=0';
    return violation('runAsUser=0', [
      ...(spec.securityContext?.runAsUser === 0 ? [`pod ${what}`] : []),
      ...(wrong.length > 0 ? [`${containersText(namesOf(wrong))} ${what}`] : []),
    ]);
  },
};

const seccomp: Check = {
  since: 19,
  broken({ spec, containers }) {
    const ofPod = spec.securityContext?.seccompProfile?.type;
    const details = unconfined(ofPod, containers);
    const silent = containers.filter(
      ({ securityContext }) => ofPod === undefined && securityContext?.seccompProfile?.type === undefined,
    );
    if (silent.length > 0)
      details.push(
        `pod or ${containersText(namesOf(silent))} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
      );
    return violation('seccompProfile', details);
  },
};

/** Rules of the baseline that a stricter one stands for here. */
const replaced = new Set([baselineCapabilities, baselineSeccomp, hostPathVolumes]);

export const restrictedChecks: readonly Check[] = [
  ...baselineChecks.filter((check) => !replaced.has(check)),
  allowPrivilegeEscalation,
  capabilities,
  restrictedVolumes,
  runAsNonRoot,
  runAsUser,
  seccomp,
];
