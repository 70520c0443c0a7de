"""What programs do with Kubernetes' Python client. Argument: a kubeconfig. Fails by an exception; says what it did."""

import sys
import threading
import time

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

config.load_kube_config(sys.argv[1])
core = client.CoreV1Api()
apps = client.AppsV1Api()
deadline_seconds = 60


def pod(name, script):
    container = client.V1Container(name="main", image="host", command=["sh", "-c", script])
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name, labels={"app": "python"}),
        spec=client.V1PodSpec(
            runtime_class_name="process", termination_grace_period_seconds=0, containers=[container]
        ),
    )


def refused(status, call):
    try:
        call()
    except ApiException as error:
        assert error.status == status, error
        return error
    raise AssertionError(f"not refused with {status}")


port = int(sys.argv[2])
seen = []


def follow(resource_version):
    source = core.list_namespaced_pod
    for event in watch.Watch().stream(
        source, "default", label_selector="app=python", resource_version=resource_version, timeout_seconds=90
    ):
        seen.append((event["type"], event["object"].status.phase))
        if event["type"] == "DELETED":
            return


listed = core.list_namespaced_pod("default", label_selector="app=python")
assert listed.items == [], listed
follower = threading.Thread(target=follow, args=[listed.metadata.resource_version], daemon=True)
follower.start()

served = f"echo hello from the pod; d=$(mktemp -d); echo served >$d/index.html; exec busybox httpd -f -p 127.0.0.1:{port} -h $d"
created = core.create_namespaced_pod("default", pod("python", served))
assert created.status.phase == "Pending", created
error = refused(409, lambda: core.create_namespaced_pod("default", pod("python", "true")))
assert '"reason":"AlreadyExists"' in error.body, error.body
refused(404, lambda: core.read_namespaced_pod("missing", "default"))
error = refused(422, lambda: core.create_namespaced_pod("default", pod("Not A Name", "true")))
assert "RFC 1123" in error.body, error.body
until = time.time() + deadline_seconds
while ("MODIFIED", "Running") not in seen:
    assert time.time() < until, seen
    time.sleep(0.1)
print("created and watched")

patched = core.patch_namespaced_pod("python", "default", {"metadata": {"annotations": {"a": "1", "b": "2"}}})
assert patched.metadata.annotations["b"] == "2"
patched = core.patch_namespaced_pod(
    "python", "default", [{"op": "remove", "path": "/metadata/annotations/b"}]
)
assert "b" not in patched.metadata.annotations, patched.metadata.annotations
print("patched")

assert "hello from the pod" in core.read_namespaced_pod_log("python", "default")
answer = stream(
    core.connect_get_namespaced_pod_exec, "python", "default",
    command=["sh", "-c", "echo out; echo err >&2"], stdin=False, stdout=True, stderr=True, tty=False,
)
assert sorted(answer.split()) == ["err", "out"], answer
session = stream(
    core.connect_get_namespaced_pod_exec, "python", "default", _preload_content=False,
    command=["sh", "-c", "read line; echo heard $line; exit 7"], stdin=True, stdout=True, stderr=True, tty=False,
)
session.write_stdin("this\n")
session.run_forever(timeout=30)
heard = session.read_stdout()
assert heard == "heard this\n", (heard, session.read_stderr(), session.read_channel(3))
assert session.returncode == 7, session.returncode
print("ran commands")

forward = portforward(core.connect_get_namespaced_pod_portforward, "python", "default", ports=str(port))
connection = forward.socket(port)
connection.setblocking(True)
connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
heard = b""
while b"served" not in heard:
    chunk = connection.recv(4096)
    assert chunk, heard
    heard += chunk
connection.close()
assert forward.error(port) is None, forward.error(port)
print("forwarded a port")

deployments = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="apps/v1", kind="Deployment")
body = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "applied", "namespace": "default"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "applied"}},
        "template": {
            "metadata": {"labels": {"app": "applied"}},
            "spec": {"containers": [{"name": "main", "image": "none"}]},
        },
    },
}
assert deployments.create(body=body, namespace="default").spec.replicas == 0
assert [one.metadata.name for one in deployments.get(namespace="default").items] == ["applied"]
assert apps.read_namespaced_deployment_scale("applied", "default").spec.replicas == 0
apps.patch_namespaced_deployment_scale("applied", "default", {"spec": {"replicas": 1}})
assert apps.read_namespaced_deployment("applied", "default").spec.replicas == 1
apps.delete_namespaced_deployment("applied", "default", propagation_policy="Foreground")
print("used the dynamic client")

names = set()
for index in range(5):
    core.create_namespaced_config_map("default", {"metadata": {"name": f"paged-{index}", "labels": {"paged": "yes"}}})
page = None
while page is None or page.metadata._continue:
    token = page.metadata._continue if page else None
    page = core.list_namespaced_config_map("default", label_selector="paged=yes", limit=2, _continue=token)
    assert len(page.items) <= 2
    names.update(one.metadata.name for one in page.items)
assert len(names) == 5, names
core.delete_collection_namespaced_config_map("default", label_selector="paged=yes")
assert core.list_namespaced_config_map("default", label_selector="paged=yes").items == []
print("listed in pages")

core.delete_namespaced_pod("python", "default", grace_period_seconds=0)
follower.join(deadline_seconds)
assert seen[0][0] == "ADDED" and seen[-1][0] == "DELETED", seen
print("all done")
