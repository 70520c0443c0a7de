import { debugging, looking } from './container-stories.ts';
import { loop, type Row, type Story } from './story.ts';

function processPod(name: string, script = loop): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: podSpec(script),
  });
}

function podSpec(script: string, name = 'main'): object {
  return {
    runtimeClassName: 'process',
    terminationGracePeriodSeconds: 2,
    containers: [{ name, image: 'host', command: ['/bin/sh', '-c', script] }],
  };
}

function workload(kind: 'Deployment' | 'StatefulSet' | 'DaemonSet', name: string, script = loop): string {
  const labels = { app: name };
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, labels },
    spec: {
      ...(kind === 'DaemonSet' ? {} : { replicas: 1 }),
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(script) },
    },
  });
}

export function stories({ image }: { image: string }): readonly Story[] {
  return [
    about,
    creating,
    reading,
    changing,
    applying,
    rollout('Deployment'),
    rollout('StatefulSet'),
    rollout('DaemonSet'),
    scaling,
    looking(image),
    debugging(image),
    nodes,
    access,
    settings,
    deleting,
  ];
}

const about: Story = {
  title: 'what the cluster is',
  rows: [
    { run: 'version', says: /Server Version: v1\.\d+/ },
    { run: 'cluster-info', says: /control plane.* is running at/ },
    { run: 'api-resources --verbs=list --namespaced -o name', says: /^deployments\.apps$/m },
    { run: 'api-resources --categories=all', says: /^statefulsets +sts +apps\/v1 +true +StatefulSet$/m },
    { run: 'api-versions', says: /^autoscaling\/v2$/m },
    {
      run: 'explain statefulset.spec.updateStrategy.rollingUpdate.partition',
      says: /FIELD: partition <integer>/,
    },
    { run: 'explain cronjobs --recursive', says: /concurrencyPolicy\t<string>/ },
    { run: 'explain pods --output=plaintext-openapiv2', says: /KIND: +Pod/ },
    { run: 'get --raw /readyz?verbose', says: /\[\+\]ping ok/ },
    { run: 'get componentstatuses', says: /NAME +STATUS +MESSAGE/ },
    { run: 'completion bash', says: /__start_kubectl/ },
    { run: 'kubectl plugin list 2>&1 || true', says: /plugins/ },
  ],
};

const creating: Story = {
  title: 'create, run and expose',
  rows: [
    { run: 'create namespace team', says: /^namespace\/team created$/m },
    { run: 'create configmap settings --from-literal=colour=green', says: /created/ },
    { run: 'create secret generic login --from-literal=user=jo', says: /created/ },
    { run: 'create serviceaccount robot', says: /created/ },
    { run: 'create role reader --verb=get,list --resource=pods,deployments.apps', says: /created/ },
    { run: 'create rolebinding reading --role=reader --user=anna', says: /created/ },
    { run: 'create clusterrole looker --verb=get --non-resource-url=/metrics', says: /created/ },
    { run: 'create clusterrolebinding looking --clusterrole=looker --group=lookers', says: /created/ },
    { run: 'create quota small --hard=configmaps=100 -n team', says: /created/ },
    { run: 'create priorityclass high --value=1000 --description=first', says: /created/ },
    { run: 'create poddisruptionbudget guard --selector=app=guarded --min-available=1', says: /created/ },
    { run: 'create ingress door --rule=farm.example/=web:80', says: /created/ },
    { run: 'create service clusterip web --tcp=80:8080', says: /created/ },
    { run: 'create job once --image=host -n team -- true', says: /created/ },
    { run: 'create cronjob often --image=host --schedule="*/5 * * * *" -n team -- true', says: /created/ },
    { run: 'create job now --from=cronjob/often -n team', says: /created/ },
    { run: 'create deployment idle --image=host --replicas=0', says: /created/ },
    { run: 'create deployment idle --image=host', fails: /deployments\.apps "idle" already exists/ },
    { run: 'create token robot --duration=10m', says: /^[\w-]+\.[\w-]+\.[\w-]+$/m },
    { run: 'create -f -', input: processPod('one'), says: /^pod\/one created$/m },
    {
      run: 'run two --image=host --labels=app=two --overrides=\'{"spec":{"runtimeClassName":"process"}}\' --command -- sleep 600',
      says: /pod\/two created/,
    },
    { run: 'expose pod two --port=80 --name=two', says: /service\/two exposed/ },
    { run: 'wait --for=condition=Ready pod/one pod/two --timeout=30s', says: /pod\/two condition met/ },
    { run: 'wait --for=jsonpath={.status.phase}=Running pod/one --timeout=5s', says: /condition met/ },
  ],
};

const reading: Story = {
  title: 'get in every form, describe, events',
  rows: [
    { run: 'get pods', says: /^NAME +READY +STATUS +RESTARTS +AGE\none +1\/1 +Running +0 / },
    { run: 'get pods -o wide', says: /NODE +NOMINATED NODE +READINESS GATES\none .* (barn|shed) / },
    {
      run: 'get pods --no-headers -o custom-columns=N:.metadata.name,P:.status.phase',
      says: /^one +Running$/m,
    },
    { run: 'get pods -o name', says: /^pod\/one\npod\/two$/m },
    { run: 'get pod one -o yaml', says: /^kind: Pod$/m },
    { run: 'get pod one -o json', says: /"kind": "Pod"/ },
    { run: 'get pod one -o jsonpath={.spec.containers[0].image}', says: /^host$/ },
    { run: "get pods -o jsonpath-as-json='{.items[*].metadata.name}'", says: /"one",\s+"two"/ },
    { run: "get pods -o go-template='{{range .items}}{{.metadata.name}};{{end}}'", says: /^one;two;$/ },
    { run: 'get pods --show-labels', says: /app=one/ },
    { run: 'get pods -L app', says: /APP\none .* one$/m },
    { run: 'get pods -l app=one -o name', says: /^pod\/one$/m },
    { run: "get pods -l 'app in (one,two),app!=two' -o name", says: /^pod\/one\n$/ },
    {
      run: 'get pods --field-selector=status.phase=Running,metadata.name!=two -o name',
      says: /^pod\/one\n$/,
    },
    { run: 'get pods --sort-by=.metadata.name', says: /one[\s\S]*two/ },
    { run: 'get configmaps -A --chunk-size=1', says: /^default +settings /m },
    { run: 'get all', says: /deployment\.apps\/idle/ },
    { run: 'get pod/one service/web', says: /pod\/one[\s\S]*service\/web/ },
    { run: 'get pods --server-print=false', says: /^NAME +AGE$/m },
    {
      run: 'get pods --output-watch-events --watch --request-timeout=1s | grep -m1 ADDED',
      says: /^ADDED +one/,
    },
    { run: 'get pod nobody', fails: /Error from server \(NotFound\): pods "nobody" not found/ },
    { run: 'get pod nobody --ignore-not-found', says: /^$/ },
    { run: 'get podss', fails: /the server doesn't have a resource type "podss"/ },
    { run: 'describe pod one', says: /Node: +(barn|shed)\/[\s\S]*Events:[\s\S]*Scheduled/ },
    { run: 'describe node barn', says: /Allocated resources:/ },
    { run: 'describe service web', says: /^IP: +\d/m },
    { run: 'describe deployment idle', says: /0 desired/ },
    { run: 'describe job once -n team', says: /Completion Mode: +NonIndexed/ },
    { run: 'describe quota small -n team', says: /configmaps +\d+ +100/ },
    { run: 'events --for pod/one', says: /Scheduled/ },
    { run: 'get events --field-selector=involvedObject.name=one', says: /Scheduled/ },
    { run: 'get --raw /api/v1/namespaces/default/pods/one', says: /"kind":"Pod"/ },
  ],
};

const changing: Story = {
  title: 'label, annotate, patch, edit, set, replace',
  rows: [
    { run: 'label pod one tier=front', says: /labeled/ },
    {
      run: 'label pod one tier=back',
      fails: /'tier' already has a value \(front\), and --overwrite is false/,
    },
    { run: 'label pod one tier-', says: /unlabeled/ },
    { run: 'annotate pod one note=x', says: /annotated/ },
    {
      run: `patch deployment idle -p '{"spec":{"template":{"metadata":{"labels":{"extra":"1"}}}}}'`,
      says: /patched/,
    },
    {
      run: `patch deployment idle --type=merge -p '{"metadata":{"annotations":{"a":"b"}}}'`,
      says: /patched/,
    },
    {
      run: `patch deployment idle --type=json -p '[{"op":"remove","path":"/metadata/annotations/a"}]'`,
      says: /patched/,
    },
    {
      run: `patch deployment idle --subresource=scale --type=merge -p '{"spec":{"replicas":0}}'`,
      says: /patched/,
    },
    { run: 'edit configmap settings', says: /configmap\/settings edited/ },
    { run: 'get configmap settings -o jsonpath={.data.colour}', says: /^blue$/ },
    { run: 'set image deployment/idle host=host:2', says: /image updated/ },
    { run: 'set env deployment/idle A=B --from=secret/login', says: /env updated/ },
    { run: 'set env deployment/idle --list', says: /A=B/ },
    {
      run: 'set resources deployment idle --limits=cpu=200m,memory=64Mi',
      says: /resource requirements updated/,
    },
    { run: 'set selector service web app=one', says: /selector updated/ },
    { run: 'set serviceaccount deployment idle robot', says: /serviceaccount updated/ },
    { run: 'set subject rolebinding reading --user=ben', says: /subjects updated/ },
    {
      run: 'kubectl get configmap settings -o yaml | sed s/blue/red/ | kubectl replace -f -',
      says: /replaced/,
    },
    { run: 'kubectl get configmap settings -o yaml | kubectl replace --force -f -', says: /replaced/ },
    { run: 'delete pod two --now', says: /deleted/ },
  ],
};

const applying: Story = {
  title: 'apply in every form, diff, kustomize',
  rows: [
    { run: 'apply -f set', says: /configmap\/a created\nconfigmap\/b created/ },
    { run: 'apply -f set', says: /configmap\/a unchanged/ },
    { run: 'diff -f set', says: /^$/ },
    {
      run: 'apply -f set/a.yaml --prune -l set=one --prune-allowlist=core/v1/ConfigMap',
      says: /configmap\/b pruned/,
    },
    { run: 'apply view-last-applied configmap a', says: /name: a/ },
    { run: 'apply set-last-applied -f set/a.yaml', says: /configured|unchanged/ },
    { run: 'apply --server-side -f set --force-conflicts', says: /configmap\/a serverside-applied/ },
    {
      run: "sed 's/one}/two}/' set/a.yaml | kubectl diff --server-side --force-conflicts -f -",
      fails: /^$/,
      says: /^\+ +set: two$/m,
    },
    {
      run: "sed 's/one}/two}/' set/a.yaml | kubectl apply --server-side --field-manager=other -f -",
      fails: /conflicts? with "kubectl"/,
    },
    { run: 'kustomize site', says: /name: farm-settings-\w{10}/ },
    { run: 'apply -k site', says: /service\/farm-web created/ },
    { run: 'get -k site -o name', says: /service\/farm-web/ },
    { run: 'delete -k site', says: /service "farm-web" deleted/ },
    { run: 'apply -f - --dry-run=server', input: processPod('dry'), says: /created \(server dry run\)/ },
    {
      run: 'apply -f -',
      input: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\ndta: {}\n',
      fails: /unknown field "dta"/,
    },
  ],
};

function rollout(kind: 'Deployment' | 'StatefulSet' | 'DaemonSet'): Story {
  const name = kind.toLowerCase();
  const what = `${name}/roll-${name}`;
  const template = (version: string) =>
    `patch ${what} -p '{"spec":{"template":{"metadata":{"annotations":{"version":"${version}"}}}}}'`;
  const version = `get pods -l app=roll-${name} -o jsonpath={.items[0].metadata.annotations.version}`;
  const pausing: Row[] =
    kind === 'Deployment'
      ? [
          { run: `rollout pause ${what}`, says: /paused/ },
          { run: template('paused'), says: /patched/ },
          { run: `rollout status ${what} --timeout=1s`, fails: /timed out|context deadline/ },
          { run: `rollout resume ${what}`, says: /resumed/ },
          { run: `rollout status ${what} --timeout=60s`, says: /successfully rolled out/ },
        ]
      : [{ run: `rollout pause ${what}`, fails: /pausing is not supported/ }];
  return {
    title: `rollout of a ${kind}: status, history, undo, restart, pause and resume`,
    rows: [
      { run: 'apply -f -', input: workload(kind, `roll-${name}`), says: /created/ },
      {
        run: `rollout status ${what} --timeout=60s`,
        says: /rolled out|roll out complete|rolling update complete/,
      },
      { run: template('two'), says: /patched/ },
      {
        run: `rollout status ${what} --timeout=60s`,
        says: /rolled out|roll out complete|rolling update complete/,
      },
      { run: version, says: /^two$/, eventually: true },
      { run: `rollout history ${what}`, says: /REVISION +CHANGE-CAUSE\n1 .*\n2 / },
      { run: `rollout history ${what} --revision=2`, says: /Pod Template/ },
      { run: `rollout undo ${what}`, says: /rolled back/ },
      {
        run: `rollout status ${what} --timeout=60s`,
        says: /rolled out|roll out complete|rolling update complete/,
      },
      { run: version, says: /^$/, eventually: true },
      { run: `rollout restart ${what}`, says: /restarted/ },
      {
        run: `rollout status ${what} --timeout=60s`,
        says: /rolled out|roll out complete|rolling update complete/,
      },
      ...pausing,
      { run: `delete ${what} --timeout=30s`, says: /deleted/ },
    ],
  };
}

const scaling: Story = {
  title: 'scale and autoscale',
  rows: [
    { run: 'apply -f -', input: workload('Deployment', 'crowd'), says: /created/ },
    { run: 'scale deployment/crowd --replicas=3', says: /scaled/ },
    {
      run: 'scale deployment/crowd --current-replicas=1 --replicas=2',
      fails: /Expected replicas to be 1, was 3/,
    },
    {
      run: 'wait --for=jsonpath={.status.readyReplicas}=3 deployment/crowd --timeout=30s',
      says: /condition met/,
    },
    { run: 'autoscale deployment crowd --min=1 --max=4 --cpu-percent=80', says: /autoscaled/ },
    { run: 'get hpa crowd', says: /Deployment\/crowd +.*80% +1 +4 / },
    { run: 'describe hpa crowd', says: /Min replicas: +1/ },
    { run: 'delete hpa crowd', says: /deleted/ },
    { run: 'delete deployment crowd --cascade=foreground --timeout=30s', says: /deleted/ },
  ],
};

const nodes: Story = {
  title: 'cordon, taint, drain',
  rows: [
    { run: 'apply -f -', input: workload('Deployment', 'moves'), says: /created/ },
    { run: 'rollout status deployment/moves --timeout=30s', says: /successfully/ },
    { run: 'cordon shed', says: /node\/shed cordoned/ },
    { run: 'get node shed', says: /Ready,SchedulingDisabled/ },
    { run: 'uncordon shed', says: /uncordoned/ },
    { run: 'taint node shed only=me:NoSchedule', says: /tainted/ },
    { run: 'taint node shed only-', says: /untainted/ },
    {
      run: 'drain barn --ignore-daemonsets --force --delete-emptydir-data --timeout=60s',
      says: /node\/barn drained/,
    },
    { run: 'get pods -l app=moves -o jsonpath={.items[*].spec.nodeName}', says: /^shed$/, eventually: true },
    { run: 'uncordon barn', says: /uncordoned/ },
    { run: 'delete deployment moves', says: /deleted/ },
  ],
};

const access: Story = {
  title: 'auth, certificate',
  rows: [
    { run: 'auth whoami', says: /system:masters/ },
    { run: 'auth can-i create pods', says: /^yes$/m },
    { run: 'auth can-i create pods --as=ben', fails: /^$/, says: /^no/ },
    { run: 'auth can-i --list --as=ben', says: /deployments\.apps .*\[get list\]/ },
    {
      run: 'auth reconcile -f -',
      input: JSON.stringify({
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'reader', namespace: 'default' },
        rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
      }),
      says: /reconciled/,
    },
    {
      run: `printf '{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"carla"},"spec":{"request":"%s","signerName":"kubernetes.io/kube-apiserver-client","usages":["client auth"]}}' "$(base64 -w0 <carla.csr)" | kubectl apply -f -`,
      says: /created/,
    },
    { run: 'get csr carla', says: /Pending/ },
    { run: 'certificate approve carla', says: /approved/ },
    { run: 'get csr carla', says: /Approved,Issued/, eventually: true },
    {
      run: 'kubectl get csr carla -o jsonpath={.status.certificate} | base64 -d >carla.crt && kubectl config set-credentials carla --client-certificate=carla.crt --client-key=carla.key && kubectl --user=carla auth whoami',
      says: /carla/,
    },
    {
      run: 'kubectl get csr carla -o json | sed s/carla/dora/ | kubectl create -f - && kubectl certificate deny dora',
      says: /denied/,
    },
    { run: 'get csr', says: /dora .*Denied/ },
  ],
};

const settings: Story = {
  title: 'config',
  rows: [
    { run: 'config view', says: /certificate-authority-data: DATA\+OMITTED/ },
    { run: 'config get-contexts -o name', says: /\w/ },
    { run: 'config current-context', says: /\w/ },
    {
      run: 'kubectl config set-context elsewhere --namespace=team --cluster=$(kubectl config view -o jsonpath={.clusters[0].name}) --user=$(kubectl config view -o jsonpath={.contexts[0].context.user})',
      says: /created/,
    },
    { run: '--context=elsewhere get quota', says: /small/ },
    { run: 'config set-context --current --namespace=team', says: /modified/ },
    { run: 'get quota', says: /small/ },
    { run: 'config set-context --current --namespace=default', says: /modified/ },
  ],
};

const deleting: Story = {
  title: 'delete in every form',
  rows: [
    { run: 'apply -f -', input: processPod('three'), says: /created/ },
    { run: 'delete pod three --grace-period=1', says: /pod "three" deleted/ },
    { run: 'delete configmap,secret -l set=one', says: /configmap "a" deleted/ },
    { run: 'delete deployment idle --cascade=orphan', says: /deleted/ },
    { run: 'get replicasets -o jsonpath={.items[*].metadata.ownerReferences}', says: /^$/ },
    { run: 'delete replicasets --all --wait=false', says: /deleted/ },
    { run: 'delete -f set --ignore-not-found', says: /^/ },
    { run: 'delete pod nobody --ignore-not-found', says: /^$/ },
    { run: 'delete pod nobody', fails: /not found/ },
    { run: 'delete namespace team --timeout=60s', says: /namespace "team" deleted/ },
    { run: 'wait --for=delete namespace/team --timeout=30s', says: /^/ },
  ],
};
