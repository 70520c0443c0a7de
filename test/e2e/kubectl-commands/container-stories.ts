import { loop, type Story } from './story.ts';

export function looking(image: string): Story {
  const pod = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'box', labels: { app: 'box' } },
    spec: {
      runtimeClassName: 'oci',
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: 'main', image, imagePullPolicy: 'Never', command: ['/bin/sh', '-c', loop] },
        {
          name: 'web',
          image,
          imagePullPolicy: 'Never',
          command: [
            '/bin/sh',
            '-c',
            'mkdir /www; echo welcome >/www/index.html; exec httpd -f -p 8080 -h /www',
          ],
          ports: [{ containerPort: 8080 }],
        },
      ],
    },
  });
  const forwarded = (command: string) =>
    `kubectl ${command} >out & p=$!; for i in $(seq 50); do port=$(sed -n 's/.*127.0.0.1:\\([0-9]*\\).*/\\1/p' out | head -n 1); [ -n "$port" ] && break; sleep 0.1; done`;
  return {
    title: 'logs, exec, attach, cp, port-forward, proxy and top',
    containers: true,
    rows: [
      { run: 'apply -f -', input: pod, says: /created/ },
      { run: 'wait --for=condition=Ready pod/box --timeout=60s', says: /met/ },
      { run: 'logs box', says: /^tick 1$/m, eventually: true },
      { run: 'logs box -c web', says: /^$/ },
      { run: 'logs -l app=box --all-containers --prefix', says: /^\[pod\/box\/main\] tick 1$/m },
      { run: 'logs box --tail=1', says: /^tick \d+\n$/ },
      { run: 'logs box --timestamps --since=1h', says: /^\d{4}-\d\d-\d\dT\S+ tick 1$/m },
      { run: 'logs -f box | grep -m1 "tick 3"', says: /tick 3/ },
      { run: 'logs box -c nobody', fails: /container nobody is not valid for pod box/ },
      { run: 'exec box -- cat /etc/hostname', says: /^box$/m },
      { run: 'kubectl exec box -c web -- sh -c "exit 7" || test $? = 7 && kubectl version', says: /Server/ },
      { run: 'echo typed | kubectl exec -i box -- cat', says: /^typed$/m },
      { run: 'exec box -- nothing', fails: /not found|executable|exit code 12[67]/ },
      { run: '(timeout 3 kubectl attach box -c main || true) 2>&1 | grep -m1 tick', says: /tick/ },
      { run: 'exec box -- busybox ln -s busybox /bin/tar' },
      {
        run: 'echo carried >file && kubectl cp file box:/tmp/file && kubectl exec box -- cat /tmp/file',
        says: /^carried$/m,
      },
      { run: 'kubectl cp box:/tmp/file back 2>/dev/null && cat back', says: /^carried$/m },
      {
        run: `${forwarded('port-forward pod/box :8080')}; curl -s http://127.0.0.1:$port/; kill $p`,
        says: /^welcome$/m,
      },
      {
        run: `${forwarded('proxy --port=0')}; curl -s http://127.0.0.1:$port/api/v1/namespaces/default/pods/box:8080/proxy/index.html; kill $p`,
        says: /^welcome$/m,
      },
      { run: 'get --raw /api/v1/namespaces/default/pods/box:8080/proxy/', says: /^welcome$/m },
      { run: 'get --raw /api/v1/nodes/barn/proxy/healthz', says: /^ok/ },
      { run: 'top nodes', says: /^barn +\d+m +\d+% +\d+Mi +\d+%/m, eventually: true },
      { run: 'top pod box --containers', says: /^box +main +\d+m +\d+Mi/m, eventually: true },
      { run: 'top pods --sort-by=memory', says: /^box +\d+m +\d+Mi/m },
    ],
  };
}

export function debugging(image: string): Story {
  return {
    title: 'debug a running pod, by a copy, and a node; run and be gone',
    containers: true,
    rows: [
      {
        run: `debug box --image=${image} --image-pull-policy=Never --target=main -c look -- sh -c 'ps; echo looked'`,
        says: /^/,
      },
      { run: 'logs box -c look', says: /looked/, eventually: true },
      { run: 'get pod box -o jsonpath={.status.ephemeralContainerStatuses[0].name}', says: /^look$/ },
      {
        run: `debug box --image=${image} --image-pull-policy=Never --copy-to=box-copy -c extra -- sleep 60`,
        says: /^/,
      },
      { run: 'wait --for=condition=Ready pod/box-copy --timeout=60s', says: /met/ },
      {
        run: `run gone --image=${image} --image-pull-policy=Never --restart=Never --rm -i --quiet -- sh -c "sleep 1; echo was here"`,
        says: /was here/,
      },
      { run: 'get pod gone', fails: /not found/, eventually: true },
      { run: 'delete pod box box-copy --now', says: /deleted/ },
    ],
  };
}
