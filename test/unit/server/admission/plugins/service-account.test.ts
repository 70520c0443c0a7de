import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { serviceAccountKind } from '../../../../../protocol/kinds/service-account.ts';
import { serviceAccount } from '../../../../../server/admission/plugins/service-account.ts';
import { refused } from '../../registry/registry-fixture.ts';
import { openAdmission, pod } from '../admission-fixture.ts';

const account = (name: string, rest: object = {}, metadata: object = {}) => ({
  metadata: { namespace: 'default', name, ...metadata },
  ...rest,
});
const open = () => openAdmission({ plugins: [serviceAccount] });

describe('ServiceAccount', () => {
  test('a pod that names no account runs as `default`, even when that is made a moment later', async () => {
    await using fixture = await open();
    const created = fixture.registry.create(podKind, pod('a'));
    await fixture.registry.create(serviceAccountKind, account('default'));
    const { spec } = await created;
    assert.deepEqual([spec?.serviceAccountName, spec?.serviceAccount], ['default', 'default']);
  });

  test('an account that is not there is refused, before the pod has a generated name', async () => {
    await using fixture = await open();
    await assert.rejects(
      fixture.registry.create(podKind, {
        ...pod('', { serviceAccountName: 'bot' }),
        metadata: { namespace: 'default', generateName: 'web-' },
      }),
      refused(
        'Forbidden',
        'pods "web-" is forbidden: error looking up service account default/bot: serviceaccount "bot" not found',
      ),
    );
  });

  test('images are pulled with what the account names, unless the pod names something', async () => {
    await using fixture = await open();
    const { registry } = fixture;
    await registry.create(serviceAccountKind, account('bot', { imagePullSecrets: [{ name: 'hub' }] }));
    const pulls = async (name: string, spec: object) =>
      (await registry.create(podKind, pod(name, { serviceAccountName: 'bot', ...spec }))).spec
        ?.imagePullSecrets;
    assert.deepEqual(await pulls('a', {}), [{ name: 'hub' }]);
    assert.deepEqual(await pulls('b', { imagePullSecrets: [{ name: 'own' }] }), [{ name: 'own' }]);
  });

  test('an account that limits its secrets refuses others', async () => {
    await using fixture = await open();
    const { registry } = fixture;
    const annotations = { 'kubernetes.io/enforce-mountable-secrets': 'true' };
    await registry.create(
      serviceAccountKind,
      account('bot', { secrets: [{ name: 'mine' }] }, { annotations }),
    );
    const refuses = (spec: object, message: RegExp) =>
      assert.rejects(
        registry.create(podKind, pod('a', { serviceAccountName: 'bot', ...spec })),
        refused('Forbidden', message),
      );
    const secret = (name: string) => ({ volumes: [{ name: 'v', secret: { secretName: name } }] });
    await refuses(
      secret('other'),
      /volume with secret.secretName="other" is not allowed because service account bot/,
    );
    const env = [{ name: 'K', valueFrom: { secretKeyRef: { name: 'other', key: 'k' } } }];
    await refuses({ containers: [{ name: 'a', image: 'a', env }] }, /container a with envVar K referencing/);
    await refuses(
      { imagePullSecrets: [{ name: 'other' }] },
      /imagePullSecrets\[0\]\.name="other" is not allowed/,
    );
    await registry.create(podKind, pod('a', { serviceAccountName: 'bot', ...secret('mine') }));
  });

  test('a pod has the token of its account where clients look for it, unless pod or account say no', async () => {
    await using fixture = await open();
    const { registry } = fixture;
    await registry.create(serviceAccountKind, account('bot'));
    await registry.create(serviceAccountKind, account('mute', { automountServiceAccountToken: false }));
    const own = { name: 'own', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' };
    const spec = {
      containers: [
        { name: 'a', image: 'a' },
        { name: 'b', image: 'b', volumeMounts: [own] },
      ],
      initContainers: [{ name: 'i', image: 'i' }],
      volumes: [{ name: 'own', emptyDir: {} }],
    };
    const volumesOf = async (name: string, rest: object) =>
      (await registry.create(podKind, pod(name, { ...spec, ...rest }))).spec;
    const given = await volumesOf('a', { serviceAccountName: 'bot' });
    const [, volume] = given?.volumes ?? [];
    assert.match(volume?.name ?? '', /^kube-api-access-[a-z0-9]{5}$/);
    assert.deepEqual(volume?.projected, {
      defaultMode: 420,
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    });
    const mount = { name: volume?.name, readOnly: true, mountPath: own.mountPath };
    const mounts = [...(given?.containers ?? []), ...(given?.initContainers ?? [])].map(
      (each) => each.volumeMounts,
    );
    assert.deepEqual(mounts, [[mount], [own], [mount]]);
    for (const [name, rest] of [
      ['b', { serviceAccountName: 'mute' }],
      ['c', { serviceAccountName: 'bot', automountServiceAccountToken: false }],
    ] as const)
      assert.equal((await volumesOf(name, rest))?.volumes?.length, 1, name);
    const asked = await volumesOf('d', { serviceAccountName: 'mute', automountServiceAccountToken: true });
    assert.equal(asked?.volumes?.length, 2);
  });
});
