import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deploymentKind } from '../../../../../protocol/kinds/deployment.ts';
import { namespaceKind } from '../../../../../protocol/kinds/namespace.ts';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { podSecurity } from '../../../../../server/admission/plugins/pod-security.ts';
import { requestedBy } from '../../../../../server/registry/requested-by.ts';
import { refused } from '../../registry/registry-fixture.ts';
import { openAdmission, pod } from '../admission-fixture.ts';

const label = (mode: string) => `pod-security.kubernetes.io/${mode}`;

/** A namespace `team` with these labels, and what a client may do in it. */
async function open(labels: Record<string, string>) {
  const fixture = await openAdmission({ plugins: [podSecurity] });
  await fixture.registry.create(namespaceKind, { metadata: { name: 'team', labels } });
  const client = requestedBy(fixture.registry, fixture.asClient);
  const create = (spec: object) => client.create(podKind, pod('p', spec, { namespace: 'team' }));
  return { fixture, client, create };
}

const good = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    {
      name: 'a',
      image: 'a',
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
};

describe('PodSecurity', () => {
  test('a plain pod breaks the restricted level, in the words that people search for', async () => {
    const { fixture, create } = await open({ [label('enforce')]: 'restricted' });
    await using _fixture = fixture;
    await assert.rejects(
      create({}),
      refused(
        'Forbidden',
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": ' +
          'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), ' +
          'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), ' +
          'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), ' +
          'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
      ),
    );
    await create(good);
  });

  test('the baseline takes plain pods and refuses what reaches the host', async () => {
    const { fixture, create } = await open({
      [label('enforce')]: 'baseline',
      [label('enforce-version')]: 'v1.30',
    });
    await using _fixture = fixture;
    const refuses = (spec: object, why: string) =>
      assert.rejects(
        create(spec),
        refused('Forbidden', `pods "p" is forbidden: violates PodSecurity "baseline:v1.30": ${why}`),
      );
    const containers = (...contexts: object[]) => ({
      containers: contexts.map((securityContext, index) => ({
        name: `c${index}`,
        image: 'a',
        securityContext,
      })),
    });
    await refuses({ hostNetwork: true, hostPID: true }, 'host namespaces (hostNetwork=true, hostPID=true)');
    await refuses({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }, 'hostPath volumes (volume "v")');
    await refuses(
      containers({ privileged: true }, { privileged: true }),
      'privileged (containers "c0", "c1" must not set securityContext.privileged=true)',
    );
    await refuses(
      containers({ capabilities: { add: ['NET_ADMIN', 'CHOWN'] } }),
      'non-default capabilities (container "c0" must not include "NET_ADMIN" in securityContext.capabilities.add)',
    );
    await refuses(
      { containers: [{ name: 'a', image: 'a', ports: [{ containerPort: 80, hostPort: 8080 }] }] },
      'hostPort (container "a" uses hostPort 8080)',
    );
    await refuses(
      { securityContext: { seccompProfile: { type: 'Unconfined' } } },
      'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    );
    await refuses(
      { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } },
      'forbidden sysctls (kernel.msgmax)',
    );
    await create({});
  });

  test('restricted takes less: capabilities, volumes, users', async () => {
    const { fixture, create } = await open({ [label('enforce')]: 'restricted' });
    await using _fixture = fixture;
    const refuses = (spec: object, why: RegExp) =>
      assert.rejects(create({ ...good, ...spec }), refused('Forbidden', why));
    const [first] = good.containers;
    const { securityContext } = first ?? {};
    const withContext = (more: object) => ({
      containers: [{ ...first, securityContext: { ...securityContext, ...more } }],
    });
    await refuses(
      withContext({ capabilities: { drop: ['ALL'], add: ['CHOWN'] } }),
      /: unrestricted capabilities \(container "a" must not include "CHOWN" in securityContext.capabilities.add\)$/,
    );
    await refuses(withContext({ runAsUser: 0 }), /: runAsUser=0 \(container "a" must not set/);
    await refuses(
      withContext({ runAsNonRoot: false }),
      /: runAsNonRoot != true \(container "a" must not set/,
    );
    await refuses(
      { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
      /: restricted volume types \(volume "v" uses restricted volume type "hostPath"\)$/,
    );
  });

  test('`warn` tells of pods and of workloads, and refuses neither', async () => {
    const { fixture, client, create } = await open({ [label('warn')]: 'baseline' });
    await using opened = fixture;
    await create({ hostNetwork: true });
    const { spec } = pod('p', { hostNetwork: true });
    const labels = { app: 'a' };
    await client.create(deploymentKind, {
      metadata: { namespace: 'team', name: 'd' },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    });
    const warning = 'would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)';
    assert.deepEqual(opened.warnings, [warning, warning]);
  });

  test('a namespace that becomes stricter says which of its pods break the new level', async () => {
    const { fixture, client, create } = await open({});
    await using opened = fixture;
    await create({ hostNetwork: true });
    await opened.createSeen(podKind, pod('q', { hostPID: true }, { namespace: 'team' }));
    await client.mutate(namespaceKind, { name: 'team' }, (draft) => {
      (draft.metadata ??= {}).labels = { [label('enforce')]: 'baseline' };
    });
    assert.deepEqual(opened.warnings, [
      'existing pods in namespace "team" violate the new PodSecurity enforce level "baseline:latest"',
      'p (and 1 other pod): host namespaces',
    ]);
    await client.mutate(podKind, { namespace: 'team', name: 'p' }, (draft) => {
      (draft.metadata ??= {}).labels = { still: 'mine' };
    });
  });

  test('a label that nobody understands is refused', async () => {
    await using fixture = await openAdmission({ plugins: [podSecurity] });
    await assert.rejects(
      fixture.registry.create(namespaceKind, {
        metadata: { name: 'x', labels: { [label('enforce')]: 'strict' } },
      }),
      refused(
        'Invalid',
        'Namespace "x" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted',
      ),
    );
  });

  test('what would break the audited level, and which level is in force, is noted in the audit log', async () => {
    const { fixture, client } = await open({
      [label('audit')]: 'restricted',
      [label('enforce')]: 'baseline',
    });
    await using _fixture = fixture;
    const noted = new Map<string, string>();
    const annotate = (key: string, value: string) => void noted.set(key, value);
    const create = (name: string, spec: object) =>
      client.create(podKind, pod(name, spec, { namespace: 'team' }), { annotate });
    await create('sound', good);
    assert.deepEqual([...noted], [[label('enforce-policy'), 'baseline:latest']]);
    await create('plain', {});
    assert.match(
      noted.get(label('audit-violations')) ?? '',
      /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
    );
    assert.deepEqual(fixture.warnings, []);
  });
});
