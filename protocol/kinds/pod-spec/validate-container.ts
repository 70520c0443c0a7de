import type { Container, ContainerPort, PodSpec, VolumeMount } from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import {
  duplicate,
  forbidden,
  invalid,
  invalidFor,
  notFound,
  oneOf,
  optionalOneOf,
  required,
  tooMany,
} from '../cause.ts';
import { dnsLabel, environmentName, isIpAddress, portName, portNumber } from '../name-rules.ts';
import { isSidecar } from './resources.ts';
import { validateEnvironment, validateEnvironmentFrom } from './validate-environment.ts';
import { validateLifecycle, validateProbe } from './validate-probe.ts';
import { validateResources } from './validate-resources.ts';
import { validateContainerSecurity } from './validate-security.ts';
import { validateRelativePath } from './validate-volume.ts';

export const restartPolicies = ['Always', 'OnFailure', 'Never'];

/** All containers of a spec; their names are unique across the lists. */
export function validateContainers(spec: PodSpec, field: string): StatusCause[] {
  const { initContainers = [], ephemeralContainers = [] } = spec;
  const containers = spec.containers ?? [];
  const names = new Set<string>();
  const inList = (
    list: readonly Container[],
    path: string,
    own: (one: Container, at: string) => StatusCause[],
  ) =>
    list.flatMap((container, index) => {
      const at = `${path}[${index}]`;
      const causes = validateContainer(container, spec, at);
      if (names.has(container.name)) causes.push(duplicate(`${at}.name`, container.name));
      names.add(container.name);
      return [...causes, ...own(container, at)];
    });
  return [
    ...(containers.length === 0 ? [required(`${field}.containers`)] : []),
    ...inList(containers, `${field}.containers`, validateProbes),
    ...validateHostPorts(containers, `${field}.containers`),
    ...inList(initContainers, `${field}.initContainers`, validateInitContainer),
    ...inList(ephemeralContainers, `${field}.ephemeralContainers`, validateEphemeralContainer),
  ];
}

function validateContainer(container: Container, spec: PodSpec, field: string): StatusCause[] {
  const { name, image } = container;
  return [
    ...(name ? invalidFor(`${field}.name`, name, dnsLabel(name)) : [required(`${field}.name`)]),
    ...validateImage(image, `${field}.image`),
    ...oneOf(`${field}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    ...optionalOneOf(`${field}.restartPolicy`, container.restartPolicy, restartPolicies),
    ...validateRestartRules(container, field),
    ...oneOf(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, [
      'FallbackToLogsOnError',
      'File',
    ]),
    ...validatePorts(container.ports ?? [], spec, `${field}.ports`),
    ...validateEnvironment(container.env ?? [], `${field}.env`),
    ...validateFileVariables(container, spec, `${field}.env`),
    ...validateEnvironmentFrom(container.envFrom ?? [], `${field}.envFrom`),
    ...validateMounts(container, spec, `${field}.volumeMounts`),
    ...validateVolumeDevices(container, spec, `${field}.volumeDevices`),
    ...validateResources(container.resources, `${field}.resources`),
    ...validateResizePolicy(container, spec, `${field}.resizePolicy`),
    ...validateContainerSecurity(container.securityContext, `${field}.securityContext`),
  ];
}

const rulesMax = 20;
const exitCodesMax = 255;

function validateRestartRules(
  { restartPolicy, restartPolicyRules: rules = [] }: Container,
  field: string,
): StatusCause[] {
  const path = `${field}.restartPolicyRules`;
  if (rules.length === 0) return [];
  const causes = restartPolicy
    ? []
    : [required(`${field}.restartPolicy`, 'must specify restartPolicy when restart rules are used')];
  if (rules.length > rulesMax) causes.push(tooMany(path, rules.length, rulesMax));
  return rules.reduce((all, { action, exitCodes }, index) => {
    const at = `${path}[${index}]`;
    all.push(...oneOf(`${at}.action`, action, ['Restart', 'RestartAllContainers']));
    if (!exitCodes) return [...all, required(`${at}.exitCodes`, 'must be specified')];
    const { operator, values = [] } = exitCodes;
    all.push(...oneOf(`${at}.exitCodes.operator`, operator, ['In', 'NotIn']));
    if (values.length === 0) all.push(required(`${at}.exitCodes.values`));
    if (values.length > exitCodesMax)
      all.push(tooMany(`${at}.exitCodes.values`, values.length, exitCodesMax));
    return all;
  }, causes);
}

function validateResizePolicy(
  { resizePolicy = [] }: Container,
  { restartPolicy }: PodSpec,
  field: string,
): StatusCause[] {
  const seen = new Set<string>();
  return resizePolicy.flatMap(({ resourceName, restartPolicy: restart }, index) => {
    const causes = seen.has(resourceName) ? [duplicate(`${field}[${index}]`, resourceName)] : [];
    seen.add(resourceName);
    causes.push(
      ...oneOf(field, resourceName, ['cpu', 'memory']),
      ...oneOf(field, restart, ['NotRequired', 'RestartContainer']),
    );
    if (restartPolicy === 'Never' && restart !== 'NotRequired')
      causes.push(invalid(field, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'"));
    return causes;
  });
}

function validateImage(image: string | undefined, field: string): StatusCause[] {
  if (!image) return [required(field)];
  return image === image.trim()
    ? []
    : [invalid(field, image, 'must not have leading or trailing whitespace')];
}

function validateProbes(container: Container, field: string): StatusCause[] {
  return [
    ...validateProbe(container.livenessProbe, 'livenessProbe', field),
    ...validateProbe(container.readinessProbe, 'readinessProbe', field),
    ...validateProbe(container.startupProbe, 'startupProbe', field),
    ...validateLifecycle(container.lifecycle, field),
  ];
}

/** Only an init container that keeps running can be probed. */
function validateInitContainer(container: Container, field: string): StatusCause[] {
  if (isSidecar(container)) return validateProbes(container, field);
  return (['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
    .filter((part) => container[part])
    .map((part) =>
      forbidden(`${field}.${part}`, 'may not be set for init containers without restartPolicy=Always'),
    );
}

function validateEphemeralContainer(container: Container, field: string): StatusCause[] {
  return (['lifecycle', 'livenessProbe', 'ports', 'readinessProbe', 'startupProbe'] as const)
    .filter((part) => container[part])
    .map((part) => forbidden(`${field}.${part}`, 'cannot be set for an Ephemeral Container'));
}

function validatePorts(ports: readonly ContainerPort[], spec: PodSpec, field: string): StatusCause[] {
  const names = new Set<string>();
  return ports.flatMap(({ name, containerPort, hostPort, hostIP, protocol }, index) => {
    const path = `${field}[${index}]`;
    const causes = name ? invalidFor(`${path}.name`, name, portName(name)) : [];
    if (name && names.has(name)) causes.push(duplicate(`${path}.name`, name));
    if (name) names.add(name);
    causes.push(
      ...(containerPort
        ? invalidFor(`${path}.containerPort`, containerPort, portNumber(containerPort))
        : [required(`${path}.containerPort`)]),
      ...(hostPort ? invalidFor(`${path}.hostPort`, hostPort, portNumber(hostPort)) : []),
      ...oneOf(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']),
    );
    if (spec.hostNetwork === true && hostPort && hostPort !== containerPort) {
      causes.push(
        invalid(`${path}.hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true'),
      );
    }
    if (hostIP && !isIpAddress(hostIP)) {
      causes.push(
        invalid(`${path}.hostIP`, hostIP, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
      );
    }
    return causes;
  });
}

function validateHostPorts(containers: readonly Container[], field: string): StatusCause[] {
  const taken = new Set<string>();
  return containers.flatMap(({ ports = [] }, container) =>
    ports.flatMap(({ hostPort, hostIP = '', protocol = 'TCP' }, index) => {
      if (!hostPort) return [];
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (taken.has(key)) return [duplicate(`${field}[${container}].ports[${index}].hostPort`, key)];
      taken.add(key);
      return [];
    }),
  );
}

function validateMounts(
  { volumeMounts: mounts = [], securityContext }: Container,
  { volumes = [] }: PodSpec,
  field: string,
): StatusCause[] {
  const paths = new Set<string>();
  return mounts.flatMap((mount, index) => {
    const { name, mountPath, subPath, subPathExpr, mountPropagation } = mount;
    const path = `${field}[${index}]`;
    const causes: StatusCause[] = [];
    if (!name) causes.push(required(`${path}.name`));
    else if (!volumes.some((volume) => volume.name === name)) causes.push(notFound(`${path}.name`, name));
    if (!mountPath) causes.push(required(`${path}.mountPath`));
    if (paths.has(mountPath)) causes.push(invalid(`${path}.mountPath`, mountPath, 'must be unique'));
    paths.add(mountPath);
    if (subPath) causes.push(...validateRelativePath(subPath, `${path}.subPath`));
    if (subPathExpr) causes.push(...validateRelativePath(subPathExpr, `${path}.subPathExpr`));
    if (subPath && subPathExpr) {
      causes.push(
        invalid(`${path}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'),
      );
    }
    const propagations = ['Bidirectional', 'HostToContainer', 'None'];
    causes.push(...optionalOneOf(`${path}.mountPropagation`, mountPropagation, propagations));
    if (mountPropagation === 'Bidirectional' && securityContext?.privileged !== true) {
      const detail = 'Bidirectional mount propagation is available only to privileged containers';
      causes.push(forbidden(`${path}.mountPropagation`, detail));
    }
    return [...causes, ...validateRecursive(mount, path)];
  });
}

function validateVolumeDevices(
  { volumeDevices = [], volumeMounts = [] }: Container,
  { volumes = [] }: PodSpec,
  field: string,
): StatusCause[] {
  const [names, paths] = [new Set<string>(), new Set<string>()];
  return volumeDevices.flatMap(({ name, devicePath }, index) => {
    const path = `${field}[${index}]`;
    const volume = volumes.find((one) => one.name === name);
    const causes: StatusCause[] = [];
    if (!name) causes.push(required(`${path}.name`));
    else if (!volume) causes.push(notFound(`${path}.name`, name));
    else if (!volume.persistentVolumeClaim && !volume.ephemeral)
      causes.push(
        invalid(
          `${path}.name`,
          name,
          'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
        ),
      );
    if (names.has(name)) causes.push(invalid(`${path}.name`, name, 'must be unique'));
    if (volumeMounts.some((mount) => mount.name === name))
      causes.push(invalid(`${path}.name`, name, 'must not already exist in volumeMounts'));
    if (!devicePath) causes.push(required(`${path}.devicePath`));
    else if (paths.has(devicePath)) causes.push(invalid(`${path}.devicePath`, devicePath, 'must be unique'));
    else if (volumeMounts.some(({ mountPath }) => mountPath === devicePath))
      causes.push(
        invalid(`${path}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts'),
      );
    if (devicePath?.split('/').includes('..'))
      causes.push(invalid(`${path}.devicePath`, devicePath, "must not contain '..'"));
    names.add(name);
    paths.add(devicePath);
    return causes;
  });
}

function validateRecursive(
  { readOnly, recursiveReadOnly, mountPropagation = 'None' }: VolumeMount,
  path: string,
): StatusCause[] {
  if (recursiveReadOnly === undefined) return [];
  const field = `${path}.recursiveReadOnly`;
  const causes = oneOf(field, recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible']);
  if (causes.length > 0 || recursiveReadOnly === 'Disabled') return causes;
  return [
    ...(readOnly ? [] : [forbidden(field, 'may only be specified when readOnly is true')]),
    ...(mountPropagation === 'None'
      ? []
      : [forbidden(field, 'may only be specified when mountPropagation is None or not specified')]),
  ];
}

/** The volume is the pod's own scratch space: what others can write is no place for a container's environment. */
function validateFileVariables(
  { env = [] }: Container,
  { volumes = [] }: PodSpec,
  field: string,
): StatusCause[] {
  return env.flatMap(({ valueFrom }, index) => {
    const { volumeName, path, key } = valueFrom?.fileKeyRef ?? {};
    if (!valueFrom?.fileKeyRef) return [];
    const at = `${field}[${index}].valueFrom.fileKeyRef`;
    const volume = volumes.find(({ name }) => name === volumeName);
    return [
      ...(key ? invalidFor(`${at}.key`, key, environmentName(key)) : [required(`${at}.key`)]),
      ...validateRelativePath(path, `${at}.path`),
      ...(volumeName ? [] : [required(`${at}.volumeName`)]),
      ...(volumeName && !volume ? [notFound(`${at}.volumeName`, volumeName)] : []),
      ...(volume && !volume.emptyDir
        ? [invalid(`${at}.volumeName`, volumeName, 'referenced volume must be of type emptyDir')]
        : []),
    ];
  });
}
