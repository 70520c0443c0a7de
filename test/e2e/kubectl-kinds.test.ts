import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { apiVersionOf, type KindDefinition } from '../../protocol/kinds/define-kind.ts';
import { kinds } from '../../protocol/kinds/registry.ts';
import { sampleName, sampleOf } from '../support/kind-samples.ts';
import { type KubectlFixture, kubectlIsMissing, openKubectl } from './kubectl-fixture.ts';

/** What a user may not change, as a merge patch, and the words that refuse it. */
const refused: Readonly<Record<string, [patch: object, words: RegExp]>> = {
  PersistentVolume: [
    { spec: { hostPath: { path: '/other' } } },
    /spec\.persistentvolumesource: Forbidden: spec\.persistentvolumesource is immutable after creation/,
  ],
  PersistentVolumeClaim: [
    { spec: { accessModes: ['ReadWriteMany'] } },
    /spec: Forbidden: spec is immutable after creation except resources\.requests and volumeAttributesClassName for bound claims/,
  ],
  ResourceQuota: [{ spec: { scopes: ['BestEffort'] } }, /spec\.scopes: Invalid value: .*field is immutable/],
  ControllerRevision: [{ data: { other: 1 } }, /data: Invalid value: .*field is immutable/],
  DaemonSet: [
    {
      spec: {
        selector: { matchLabels: { app: 'b' } },
        template: { metadata: { labels: { app: 'b' } } },
      },
    },
    /spec\.selector: Invalid value: .*field is immutable/,
  ],
  StatefulSet: [
    { spec: { serviceName: 'other' } },
    /spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden/,
  ],
  HorizontalPodAutoscaler: [
    { spec: { maxReplicas: 0 } },
    /spec\.maxReplicas: Invalid value: 0: must be greater than 0/,
  ],
  CronJob: [{ spec: { schedule: '* * *' } }, /expected exactly 5 fields, found 3: \[\* \* \*\]/],
  Job: [{ spec: { completions: 2 } }, /spec\.completions: Invalid value: 2: field is immutable/],
  EndpointSlice: [
    { addressType: 'IPv6', endpoints: [] },
    /addressType: Invalid value: "IPv6": field is immutable/,
  ],
  Ingress: [
    { spec: { rules: [], defaultBackend: null } },
    /spec: Invalid value: .*either `defaultBackend` or `rules` must be specified/,
  ],
  IngressClass: [
    { spec: { controller: 'example.com/b' } },
    /spec\.controller: Invalid value: "example\.com\/b": field is immutable/,
  ],
  RuntimeClass: [{ handler: 'b' }, /handler: Invalid value: "b": field is immutable/],
  PodDisruptionBudget: [
    { spec: { maxUnavailable: 1 } },
    /minAvailable and maxUnavailable cannot be both set/,
  ],
  PriorityClass: [{ value: 2 }, /value: Forbidden: may not be changed in an update\./],
  StorageClass: [
    { provisioner: 'example.com/b' },
    /provisioner: Forbidden: updates to provisioner are forbidden\./,
  ],
  VolumeAttachment: [{ spec: { attacher: 'b' } }, /spec: Invalid value: .*field is immutable/],
  CSIDriver: [
    { spec: { attachRequired: false } },
    /spec\.attachedRequired: Invalid value: false: field is immutable/,
  ],
  CSIStorageCapacity: [{ storageClassName: 'b' }, /storageClassName: Invalid value: "b": field is immutable/],
  VolumeAttributesClass: [
    { driverName: 'b.com' },
    /driverName: Forbidden: updates to driverName are forbidden\./,
  ],
};

/** `deployments.v1.apps`, which names the version too. */
function resource({ plural, version, group }: KindDefinition): string {
  return group === '' ? plural : `${plural}.${version}.${group}`;
}

/** Kubectl 1.32 looks for an older version of these. */
const undescribed = ['IPAddress', 'ServiceCIDR', 'VolumeAttributesClass'];

const sampled = kinds.filter((kind) => sampleOf(kind) !== undefined);

describe('an unmodified kubectl with every kind', { skip: await kubectlIsMissing() }, () => {
  let kubectl: KubectlFixture;
  before(async () => {
    kubectl = await openKubectl();
  });
  after(() => kubectl[Symbol.asyncDispose]());

  for (const kind of sampled) {
    const what = `${apiVersionOf(kind)} ${kind.kind}`;
    test(`${what}: is explained, applied, shown, changed, guarded and deleted`, async () => {
      const name = sampleName(kind);
      const manifest = (extra: object) =>
        JSON.stringify({
          apiVersion: apiVersionOf(kind),
          kind: kind.kind,
          metadata: { name, ...extra },
          ...sampleOf(kind),
        });
      const singular = kind.group === '' ? kind.singular : `${kind.singular}.${kind.group}`;
      const explained = await kubectl.ok(`explain ${kind.plural} --api-version=${apiVersionOf(kind)}`);
      assert.match(explained, new RegExp(`KIND: +${kind.kind}\\n`));

      // Typed clients create and delete with protobuf; apply patches.
      assert.equal(await kubectl.ok('apply -f -', manifest({})), `${singular}/${name} created\n`);
      const version = `get ${resource(kind)} ${name} -o jsonpath={.metadata.resourceVersion}`;
      const before = await kubectl.ok(version);
      // Where a list is replaced whole kubectl says `configured`, here as with Kubernetes; nothing may be written.
      assert.match(await kubectl.ok('apply -f -', manifest({})), /(?:unchanged|configured)\n$/);
      assert.equal(await kubectl.ok(version), before);
      const table = await kubectl.ok(`get ${resource(kind)} ${name} -o wide`);
      const head = kind.columns.map(({ name }) => name.toUpperCase().replaceAll(' ', ' ')).join(' ');
      assert.equal((table.split('\n')[0] ?? '').trim().replace(/ +/g, ' '), head);
      if (!undescribed.includes(kind.kind)) await kubectl.ok(`describe ${resource(kind)} ${name}`);
      const changed = manifest({ annotations: { note: 'changed' } });
      assert.equal(await kubectl.ok('apply -f -', changed), `${singular}/${name} configured\n`);
      assert.equal(
        await kubectl.ok(`get ${resource(kind)} ${name} -o jsonpath={.metadata.annotations.note}`),
        'changed',
      );
      const [patch, words] = refused[kind.kind] ?? [];
      if (patch) {
        const patching = ['patch', resource(kind), name, '--type=merge', '-p', JSON.stringify(patch)];
        const { code, stderr } = await kubectl.run(patching);
        assert.equal(code, 1, what);
        assert.match(stderr, words ?? /./);
      }
      assert.match(await kubectl.ok(`delete ${resource(kind)} ${name}`), /deleted/);
      assert.match(await kubectl.fails(`get ${resource(kind)} ${name}`), /NotFound/);
    });
  }

  test('what kubectl create makes of flags is taken, in protobuf', async () => {
    for (const flags of [
      'job one --image=busybox -- true',
      'cronjob often --image=busybox --schedule=@hourly -- true',
      'ingress web --rule=web.example.com/*=web:80',
      'poddisruptionbudget web --selector=app=web --min-available=50%',
      'quota small --hard=cpu=1,pods=2 --scopes=NotTerminating',
      'priorityclass high --value=1000 --description=first',
      'deployment web --image=nginx',
    ]) {
      assert.match(await kubectl.ok(`create ${flags}`), /created/);
    }
    await kubectl.ok('create job again --from=cronjob/often');
    await kubectl.ok('autoscale deployment web --min=2 --max=5 --cpu-percent=60');
    const all = await kubectl.ok('get all');
    for (const name of ['job.batch/one', 'cronjob.batch/often', 'deployment.apps/web']) {
      assert.ok(all.includes(`${name} `), name);
    }
    assert.match(
      all,
      /horizontalpodautoscaler\.autoscaling\/web +Deployment\/web +cpu: <unknown>\/60% +2 +5 +0 /,
    );
    const job = JSON.parse(await kubectl.ok('get job one -o json'));
    assert.equal(job.spec.template.metadata.labels['batch.kubernetes.io/job-name'], 'one');
    assert.deepEqual(job.spec.selector.matchLabels, {
      'batch.kubernetes.io/controller-uid': job.metadata.uid,
    });
    await kubectl.ok('delete job,cronjob,ingress,pdb,quota,deployment,hpa --all');
    await kubectl.ok('delete priorityclass high');
  });

  test('an autoscaler and an event are the same object under each of their versions', async () => {
    const hpa = sampled.find(({ kind, version }) => kind === 'HorizontalPodAutoscaler' && version === 'v1');
    assert.ok(hpa);
    const written = {
      apiVersion: 'autoscaling/v1',
      kind: hpa.kind,
      metadata: { name: 'web' },
      ...sampleOf(hpa),
    };
    await kubectl.ok('create -f -', JSON.stringify(written));
    const newer = await kubectl.ok(
      'get hpa.v2.autoscaling web -o jsonpath={.spec.metrics[0].resource.target}',
    );
    assert.deepEqual(JSON.parse(newer), { type: 'Utilization', averageUtilization: 60 });
    await kubectl.run([
      'patch',
      'horizontalpodautoscalers.v1.autoscaling',
      'web',
      '-p',
      '{"spec":{"targetCPUUtilizationPercentage":70}}',
    ]);
    assert.match(await kubectl.ok('get hpa web'), /cpu: <unknown>\/70%/);
    await kubectl.ok('delete hpa web');
  });

  test('a certificate request gets its verdict', async () => {
    const kind = sampled.find(({ plural }) => plural === 'certificatesigningrequests');
    assert.ok(kind);
    const request = { apiVersion: apiVersionOf(kind), kind: kind.kind, ...sampleOf(kind) };
    await kubectl.ok('create -f -', JSON.stringify({ ...request, metadata: { name: 'web' } }));
    assert.match(await kubectl.ok('get csr web'), /example\.com\/signer +admin +<none> +Pending\n$/);
    assert.match(await kubectl.ok('certificate approve web'), /approved/);
    assert.match(await kubectl.ok('get csr web'), /Approved\n$/);
    await kubectl.ok('delete csr web');
  });
});
