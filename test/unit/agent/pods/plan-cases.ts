import type { ContainerHandle, ContainerState, SandboxHandle } from '../../../../agent/drivers/driver.ts';
import { plan } from '../../../../agent/pods/plan.ts';
import type { Plan, PlanContext } from '../../../../agent/pods/plan-parts.ts';
import type { PodRecord } from '../../../../agent/pods/pod-record.ts';
import {
  initialState,
  type Now,
  type PodEvent,
  type PodState,
  reduce,
} from '../../../../agent/pods/pod-state.ts';
import { podStatus } from '../../../../agent/pods/pod-status.ts';
import { newRecord } from '../../../../agent/pods/recovery.ts';
import { grant } from '../../../../agent/pods/resize.ts';
import { restarted } from '../../../../agent/pods/restart-all.ts';
import type { Step } from '../../../../agent/pods/steps.ts';
import { targetOf } from '../../../../agent/pods/steps.ts';
import type { Container, Pod, PodSpec, PodStatus } from '../../../../protocol/generated/models.ts';

/** Builders for planning tests: a pod, its state after some events, and short words for steps. */
export const wallMs = Date.UTC(2026, 0, 1);
export const uid = 'u1';

export function pod(spec: Partial<PodSpec> = {}, metadata: Pod['metadata'] = {}): Pod {
  return {
    metadata: { name: 'web', namespace: 'ns', uid, ...metadata },
    spec: { containers: [container('app')], ...spec },
  };
}

export function container(name: string, more: Partial<Container> = {}): Container {
  return { name, image: `${name}:1`, ...more };
}

export const sandbox: SandboxHandle = { driver: 'fake', podUid: uid, id: 'sb', data: {} };

export function handle(name: string, attempt = 0): ContainerHandle {
  return { driver: 'fake', podUid: uid, container: name, attempt, id: `${name}-${attempt}`, data: {} };
}

export const context: PlanContext = {
  nodeHostname: 'node1',
  pullsImages: () => true,
  volumeInputs: () => '',
  sources: {
    configMap: () => undefined,
    secret: () => undefined,
    nodeName: 'node1',
    apiServer: () => undefined,
    services: () => [],
    hostIp: '10.0.0.1',
    allocatable: { cpuMillis: 4000, memoryBytes: 2 ** 30, ephemeralStorageBytes: 2 ** 34 },
  },
};

/** A pod's life at a clock that the test moves. */
export class PodLife {
  now: Now = { wallMs, monotonicMs: 1_000_000 };
  state: PodState;
  wanted: Pod | undefined;
  context: PlanContext = context;

  constructor(wanted: Pod, record?: PodRecord) {
    this.wanted = wanted;
    const fresh = newRecord({ pod: wanted, runtime: 'fake', bootId: 'b1', startedAtMs: wallMs });
    this.state = initialState(record ?? fresh, this.now);
  }

  advance(ms: number): void {
    this.now = { wallMs: this.now.wallMs + ms, monotonicMs: this.now.monotonicMs + ms };
  }

  on(...events: PodEvent[]): this {
    for (const event of events) this.state = reduce(this.state, event, this.now);
    return this;
  }

  plan(): Plan {
    return plan({ pod: this.wanted, state: this.state, now: this.now, context: this.context });
  }

  /** Short words for the planned steps. */
  steps(): string[] {
    return this.plan().steps.map(words);
  }

  /** Begins the planned steps, as the worker does. */
  begin(): Step[] {
    const planned = this.plan();
    for (const name of planned.replace) {
      const old = this.state.record.containers[name];
      if (!old) continue;
      const containers = { ...this.state.record.containers, [name]: { ...old, replace: true } };
      this.state = { ...this.state, record: { ...this.state.record, containers } };
    }
    if (planned.allocation && this.wanted)
      this.state = { ...this.state, record: grant(this.state.record, this.wanted, planned.allocation) };
    if (planned.restartAll) {
      this.state = { ...this.state, record: restarted(this.state.record) };
      return this.begin();
    }
    for (const step of planned.steps) this.on({ type: 'begun', target: targetOf(step), step });
    return planned.steps;
  }

  /** What is under way succeeds. */
  settleOnce(): void {
    for (const step of Object.values(this.state.underWay)) this.on(success(step, this.now));
  }

  /** Begins what is planned and lets it all succeed, until nothing more is planned. */
  settle(): this {
    for (let round = 0; round < 20; round++) {
      const begun = this.begin();
      if (begun.length === 0) return this;
      for (const step of begun) this.on(success(step, this.now));
    }
    throw new Error('never settles');
  }

  exit(name: string, exitCode: number, ranMs = 1_000): this {
    return this.on({ type: 'observed', containers: { [name]: exited(exitCode, this.now, ranMs) } });
  }

  status(): PodStatus {
    if (!this.wanted) throw new Error('an unwanted pod has no status');
    const { status, transitions } = podStatus({
      pod: this.wanted,
      state: this.state,
      plan: this.plan(),
      wallMs: this.now.wallMs,
      idScheme: 'fake',
      hostIps: ['10.0.0.1'],
    });
    this.state = { ...this.state, record: { ...this.state.record, transitions } };
    return status;
  }

  containerStatus(name: string) {
    const { containerStatuses = [], initContainerStatuses = [] } = this.status();
    const found = [...initContainerStatuses, ...containerStatuses].find((status) => status.name === name);
    if (!found) throw new Error(`no status of ${name}`);
    return found;
  }

  waiting(name: string): { reason?: string; message?: string } | undefined {
    return this.containerStatus(name).state?.waiting;
  }

  condition(type: string) {
    return this.status().conditions?.find((condition) => condition.type === type);
  }
}

export function running(now: Now): ContainerState {
  return { state: 'running', pid: 1, startedAtMs: now.wallMs, imageId: 'sha256:1' };
}

export function exited(exitCode: number | undefined, now: Now, ranMs = 1_000): ContainerState {
  return {
    state: 'exited',
    exitCode,
    signal: undefined,
    outOfMemory: false,
    startedAtMs: now.wallMs - ranMs,
    finishedAtMs: now.wallMs,
    imageId: 'sha256:1',
  };
}

export function success(step: Step, now: Now): PodEvent {
  switch (step.type) {
    case 'createSandbox':
      return { type: 'sandboxCreated', handle: sandbox, state: { state: 'ready', podIps: ['10.1.0.5'] } };
    case 'removeSandbox':
      return { type: 'sandboxRemoved', handle: step.handle };
    case 'prepareVolumes':
      return { type: 'volumesPrepared', inputs: step.inputs };
    case 'removeVolumes':
      return { type: 'volumesRemoved' };
    case 'pullImage':
      return { type: 'imagePulled', container: step.container, image: step.image, imageId: 'sha256:1' };
    case 'runContainer': {
      const { container: name, attempt, image } = step.spec;
      const started = step.created ?? handle(name, attempt);
      const { granted } = step;
      return { type: 'containerStarted', handle: started, image, granted, state: running(now) };
    }
    case 'stopContainer':
      return { type: 'containerStopped', handle: step.handle, state: exited(143, now) };
    case 'removeContainer':
      return { type: 'containerRemoved', handle: step.handle };
    case 'resizeContainer':
      return { type: 'containerResized', handle: step.handle, resources: step.resources };
    case 'postStart':
      return { type: 'hookEnded', step };
    case 'stopSandbox':
      return { type: 'sandboxStopped' };
  }
}

export function words(step: Step): string {
  switch (step.type) {
    case 'createSandbox':
      return 'create sandbox';
    case 'removeSandbox':
      return `remove sandbox ${step.handle.id}`;
    case 'prepareVolumes':
      return `prepare volumes ${step.inputs}`;
    case 'removeVolumes':
      return 'remove volumes';
    case 'pullImage':
      return `pull ${step.image} ${step.policy}`;
    case 'runContainer':
      return `${step.created ? 'start' : 'run'} ${step.spec.container}-${step.spec.attempt}`;
    case 'stopContainer':
      return `stop ${step.handle.id} ${step.graceMs}`;
    case 'removeContainer':
      return `remove ${step.handle.id}`;
    case 'resizeContainer':
      return `resize ${step.handle.id} ${JSON.stringify(step.resources)}`;
    case 'postStart':
      return `hook ${step.handle.id}`;
    case 'stopSandbox':
      return 'stop sandbox';
  }
}

export function findStep<T extends Step['type']>(life: PodLife, type: T): Extract<Step, { type: T }> {
  const found = life.plan().steps.find((step) => step.type === type);
  if (!found) throw new Error(`no ${type} is planned but ${life.steps().join(', ')}`);
  return found as Extract<Step, { type: T }>;
}
