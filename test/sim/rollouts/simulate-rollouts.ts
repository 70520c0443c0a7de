import type { Pod } from '../../../protocol/generated/models.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import {
  type RolloutPolicySpec,
  rolloutPolicyAnnotation,
  rolloutPolicyKind,
} from '../../../protocol/kinds/rollout-policy.ts';
import { statefulSetKind } from '../../../protocol/kinds/stateful-set.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { updateLockCondition } from '../../../protocol/update-lock.ts';
import { ControlPlane, isActive, isReady } from '../../conformance/control-plane/control-plane.ts';
import { brokenImage } from '../../conformance/control-plane/hollow-kubelets.ts';
import { podSpec, setImage } from '../../conformance/control-plane/workloads.ts';
import { FleetHistory, traceOf } from './fleet-history.ts';
import { agentAt, FleetRules, policyAt } from './fleet-rules.ts';

const stepsMin = 12;
/** A broken rule is heard of no later than this. */
const stepMs = 500;
const policy: RolloutPolicySpec = {
  batches: [
    { name: 'lab', selector: { matchLabels: { site: 'lab' } } },
    { name: 'near', selector: { matchLabels: { site: 'near' } } },
    { name: 'half', percent: 50 },
  ],
  healthyPercent: 60,
  healthySeconds: 2,
  progressDeadlineSeconds: 8,
  onFailure: 'Rollback',
};
const closed = [{ schedule: '0 0 1 7 *', durationSeconds: 60 }];

/**
 * One fleet of 200 devices, with everything that may happen to one; throws when a rule is broken. Returns a digest of all that
 * was written: the same seed gives the same.
 */
export async function simulateRollouts(seed: number, deviceCount = 200): Promise<string> {
  await using plane = await ControlPlane.start(Array.from({ length: deviceCount }, device), seed);
  await using history = new FleetHistory(plane.registry);
  const world: World = {
    plane,
    rules: new FleetRules(history),
    silent: new Set(),
    devices: deviceCount,
    version: 1,
  };
  try {
    await createWorkloads(plane);
    await advance(world, 4_000);
    const steps = stepsMin + Math.floor(plane.random.fraction() * stepsMin);
    for (let step = 0; step < steps; step += 1) await happen(world);
    await converge(world);
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return traceOf(plane.store);
}

interface World {
  plane: ControlPlane;
  rules: FleetRules;
  silent: Set<string>;
  devices: number;
  version: number;
}

function device(_: unknown, index: number): { name: string; labels: Record<string, string> } {
  const site = index < 6 ? 'lab' : index < 40 ? 'near' : 'far';
  return { name: `d${index}`, labels: { site } };
}

async function createWorkloads({ registry }: ControlPlane): Promise<void> {
  const annotations = { [rolloutPolicyAnnotation]: policyAt.name };
  const parts = (app: string) => ({
    selector: { matchLabels: { app } },
    template: { metadata: { labels: { app } }, spec: podSpec('10m') },
  });
  await registry.create(rolloutPolicyKind, { metadata: { ...policyAt }, spec: policy });
  await registry.create(daemonSetKind, {
    metadata: { ...agentAt, annotations },
    spec: { ...parts('agent'), updateStrategy: { rollingUpdate: { maxUnavailable: '50%' } } },
  });
  await registry.create(deploymentKind, {
    metadata: { name: 'web', namespace: 'default', annotations },
    spec: { ...parts('web'), replicas: 12 },
  });
  await registry.create(statefulSetKind, {
    metadata: { name: 'db', namespace: 'default' },
    spec: { ...parts('db'), replicas: 4, serviceName: 'db' },
  });
}

async function advance({ plane, rules }: World, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await plane.clock.advance(stepMs);
    rules.look();
  }
}

type Happening = (world: World) => Promise<void>;

const happenings: readonly Happening[] = [
  disconnectSome,
  connectSome,
  reboot,
  joinLate,
  crash,
  newVersion,
  newVersion,
  badVersion,
  hold({ paused: true }, { paused: false }),
  hold({ windows: closed }, { windows: [] }),
  lockSome,
];

async function happen(world: World): Promise<void> {
  const next = happenings[Math.floor(world.plane.random.fraction() * happenings.length)];
  await next?.(world);
  await advance(world, 500 + Math.floor(world.plane.random.fraction() * 5_000));
}

function pick({ plane, devices }: World): string {
  return `d${Math.floor(plane.random.fraction() * devices)}`;
}

async function disconnectSome(world: World): Promise<void> {
  for (let count = 0; count < 12; count += 1) {
    const name = pick(world);
    if (world.silent.has(name)) continue;
    world.silent.add(name);
    world.rules.silence(name);
    await world.plane.setReady(name, 'Unknown');
  }
}

async function connectSome(world: World): Promise<void> {
  for (const name of [...world.silent].slice(0, 10)) await connect(world, name);
}

async function connect({ plane, rules, silent }: World, name: string): Promise<void> {
  silent.delete(name);
  rules.hear(name);
  await plane.setReady(name, 'True');
}

/** Its pods start again: not ready, then ready. */
async function reboot(world: World): Promise<void> {
  const name = pick(world);
  if (world.silent.has(name)) return;
  await setReadiness(world, name, 'False');
  await advance(world, 1_000);
  await setReadiness(world, name, 'True');
}

async function setReadiness({ plane, rules }: World, node: string, status: string): Promise<void> {
  for (const pod of rules.pods()) {
    if (pod.spec?.nodeName !== node) continue;
    if (pod.spec?.containers[0]?.image === brokenImage) continue;
    await changePod(plane, pod, (draft) => {
      const ready = draft.status?.conditions?.find(({ type }) => type === 'Ready');
      if (!ready) return;
      ready.status = status;
      ready.lastTransitionTime = timestamp(plane.clock.now());
    });
  }
}

async function changePod(plane: ControlPlane, pod: Pod, change: (draft: Pod) => void): Promise<void> {
  const { namespace = '', name, uid } = storedMeta(pod);
  await plane.registry
    .mutate(podKind, { namespace, name }, (draft) => draft.metadata?.uid === uid && change(draft), {
      subresource: 'status',
    })
    .catch(() => undefined);
}

async function joinLate(world: World): Promise<void> {
  const late = device(undefined, world.devices);
  world.devices += 1;
  await world.plane.addNode(late);
}

async function crash({ plane }: World): Promise<void> {
  await plane.crash();
  await plane.startWork();
}

async function newVersion(world: World): Promise<void> {
  world.version += 1;
  await setImages(world, `v${world.version}`);
}

function badVersion(world: World): Promise<void> {
  return setImages(world, brokenImage);
}

async function setImages({ plane }: World, image: string): Promise<void> {
  const change = setImage(image);
  await plane.registry.mutate(daemonSetKind, agentAt, ({ spec }) => {
    const [container] = spec?.template.spec?.containers ?? [];
    if (container) container.image = image;
  });
  for (const kind of [deploymentKind, statefulSetKind]) {
    if (kind === statefulSetKind && image === brokenImage) continue;
    const name = kind === deploymentKind ? 'web' : 'db';
    await plane.registry.mutate(kind, { namespace: 'default', name }, (draft) => {
      if (draft.spec) change(draft.spec);
    });
  }
}

const setPolicy = ({ plane }: World, spec: Partial<RolloutPolicySpec>) =>
  plane.registry.mutate(rolloutPolicyKind, policyAt, (draft) => {
    draft.spec = { ...draft.spec, ...spec };
  });

/** Nothing may be replaced between the two, once the controllers have heard of the first. */
function hold(begin: Partial<RolloutPolicySpec>, end: Partial<RolloutPolicySpec>): Happening {
  return async (world) => {
    const { rules } = world;
    await setPolicy(world, { ...begin, onFailure: 'Pause' });
    await untilObeyed(world, rolloutPolicyKind);
    // A window lets broken pods of a version that is taken back go.
    const held = updated(world).filter(begin.paused ? () => true : isReady);
    rules.keep('what is held replaces nothing', held);
    await newVersion(world);
    await advance(world, 2_000);
    await disturb(world);
    await advance(world, 2_000);
    rules.release();
    await setPolicy(world, { ...end, onFailure: 'Rollback' });
  };
}

async function lockSome(world: World): Promise<void> {
  const { plane, rules } = world;
  const chosen = updated(world).filter(
    (pod, index) => isReady(pod) && index % 40 === Math.floor(plane.random.fraction() * 40),
  );
  await setLocks(world, chosen, 'True');
  await untilObeyed(world, podKind);
  const uids = new Set(chosen.map((pod) => storedMeta(pod).uid));
  const kept = updated(world).filter((pod) => uids.has(storedMeta(pod).uid));
  rules.keep('a held lock is respected', kept);
  await newVersion(world);
  await advance(world, 2_500);
  await disturb(world);
  await advance(world, 2_500);
  rules.release();
  await setLocks(world, kept, 'False');
}

/** Active pods of what follows the policy. */
function updated({ rules }: World): Readonly<Pod>[] {
  const apps: readonly unknown[] = ['agent', 'web'];
  return [...rules.pods()].filter((pod) => apps.includes(pod.metadata?.labels?.['app']) && isActive(pod));
}

/**
 * What was decided in ignorance is carried out: the control plane acts on what its caches show, and what a ReplicaSet was
 * asked for before, it does.
 */
async function untilObeyed<T extends KubernetesObject>(
  { plane, rules }: World,
  kind: KindDefinition<T>,
): Promise<void> {
  await plane.untilSeen(kind);
  await plane.until('what was asked for before is done', () => rules.isShrunk());
}

/** Something that is no reason to replace a pod. */
async function disturb(world: World): Promise<void> {
  const { random } = world.plane;
  const disturbances = [crash, disconnectSome, connectSome, joinLate];
  await disturbances[Math.floor(random.fraction() * disturbances.length)]?.(world);
}

async function setLocks({ plane }: World, pods: readonly Pod[], status: string): Promise<void> {
  const lastTransitionTime = timestamp(plane.clock.now());
  for (const pod of pods)
    await changePod(plane, pod, (draft) => {
      const others = (draft.status?.conditions ?? []).filter(({ type }) => type !== updateLockCondition);
      const lock = { type: updateLockCondition, status, lastTransitionTime };
      draft.status = { ...draft.status, conditions: [...others, lock] };
    });
}

/** Whoever is offline neither blocks nor counts; whoever comes back gets the newest; nobody is lost. */
async function converge(world: World): Promise<void> {
  const { plane } = world;
  await newVersion(world);
  const image = `v${world.version}`;
  const untilComplete = async () =>
    ((await plane.registry.get(rolloutPolicyKind, policyAt)).status?.rollouts ?? []).every(
      ({ phase }) => phase === 'Complete',
    );
  await plane.until('the rollout is complete without the silent ones', untilComplete, 180_000);
  for (const name of world.silent) await connect(world, name);
  const allNewest = () => {
    const pods = [...world.rules.pods()].filter((pod) => isActive(pod) && isReady(pod));
    const newest = pods.filter(({ spec }) => spec?.containers[0]?.image === image);
    const nodes = newest.filter(({ metadata }) => metadata?.labels?.['app'] === 'agent');
    return (
      pods.length === newest.length && nodes.length === world.devices && newest.length === world.devices + 16
    );
  };
  await plane.until('every device and workload runs the newest version', allNewest, 180_000);
  world.rules.look();
}
