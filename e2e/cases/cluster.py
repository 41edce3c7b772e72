# SPDX-License-Identifier: Apache-2.0
"""The chart on a real cluster: installed by helm on a node that has no bpffs, measures pods that kubelet makes, is upgraded
without loss, and uninstalled until nothing is left. Run by hack/cluster, inside e2e/rig/isolate,
with the root file system of the image."""

import json
import pathlib
import sys

import containerd
import node
import oci
from daemonset import CHAIN, handshakes, metrics
from kubernetes import HOME, KUBECTL, NODE, Kubernetes
from node import ROOT, near_server, own_filters, run, wait_until

PORT = 8080
IMAGE = "localhost/podrtt"
KUBECTL_IMAGE = "localhost/kubectl:1"
CHART = ROOT / "manifests/helm/podrtt"
VALUES = {
    "profile": "kind", "image": {"repository": IMAGE, "tag": "here"},
    "cni": {"conf": str(containerd.CONFLISTS), "bin": str(containerd.PLUGINS)},
    "options": {"pod-metrics": ["rtt", "handshake", "connect"], "grace-period": "1s"},
    "uninstall": {"kubectl": KUBECTL_IMAGE, "timeout": "2m"},
}


def connects(address, times):
    """A script of a pod: as many connections, from its first moment on, and then a thing to wait for."""
    return f"for i in $(/bin/busybox seq {times}); do /bin/busybox nc -w 5 {address} {PORT} </dev/null; done; exec /bin/busybox sleep 1000000"


def connects_until_stopped(address):
    """The same, until there is a file /stop; how many there were is in /count."""
    return (f"i=0; while ! [ -e /stop ]; do /bin/busybox nc -w 5 {address} {PORT} </dev/null && i=$((i + 1)); done; "
            "echo $i >/count; exec /bin/busybox sleep 1000000")


def main():
    root = sys.argv[1]
    node.prepare()
    run("umount", "/sys/fs/bpf")  # a node of kind has none
    node.own_cni_state()
    print("==> etcd, the API server, the controllers, the scheduler, containerd and kubelet", flush=True)
    cluster = Kubernetes()
    try:
        chart_works(cluster, root)
    except Exception:
        print(cluster.kubectl("get", "pods,daemonsets,jobs", "--all-namespaces", "-o", "wide"),
              cluster.kubectl("get", "events", "--all-namespaces"), sep="\n", flush=True)
        raise
    cluster.stop()
    print(f"  ok    the chart works on {NODE}, and leaves it as it was", flush=True)


def chart_works(cluster, root):
    (containerd.PLUGINS / "podrtt").unlink()  # the DaemonSet is to bring it
    oci.archive(HOME / "podrtt.tar", f"{IMAGE}:here", {"": root}, ["/usr/bin/podrttd"])
    cluster.runtime.import_image(HOME / "podrtt.tar")
    oci.archive(HOME / "kubectl.tar", KUBECTL_IMAGE, {"kubectl": KUBECTL}, ["/kubectl"])
    cluster.runtime.import_image(HOME / "kubectl.tar")
    (HOME / "values.json").write_text(json.dumps(VALUES), encoding="ascii")
    containerd.write_conflist(CHAIN)
    before = (containerd.CONFLISTS / "10-test.conflist").read_bytes()
    cluster.wait_ready()
    peer = near_server(PORT)
    cluster.pod("shop", "older", connects(peer.v4, 1))

    print("==> helm install", flush=True)
    print(cluster.helm("install", "podrtt", CHART, "--namespace", "podrtt", "--create-namespace", "--values", HOME / "values.json",
                       "--wait", "--timeout", "2m"), flush=True)
    run("findmnt", "--types", "bpf", "/sys/fs/bpf")  # the node sees what the init container has mounted
    wait_until(lambda: 'pod="older"' in metrics(), "the older pod is adopted", 60)
    for number in range(3):
        cluster.pod("shop", f"web-{number}", connects(peer.v4, 5))
    for number in range(3):
        wait_until(lambda: handshakes(f"web-{number}") == 5, "each connection of a pod is measured, from the first on", 30)

    print("==> What the chart's notes say next", flush=True)
    for command in ("doctor", "top --once"):
        print(cluster.kubectl("exec", "--namespace=podrtt", "ds/podrtt", "--", "podrttd", *command.split()), flush=True)

    print("==> helm upgrade: another daemon, and no count is lost", flush=True)
    cluster.pod("shop", "busy", connects_until_stopped(peer.v4))
    cluster.helm("upgrade", "podrtt", CHART, "--namespace", "podrtt", "--values", HOME / "values.json",
                 "--set", "options.log-level=debug", "--wait", "--timeout", "2m")
    wait_until(lambda: "--log-level=debug" in run("pgrep", "--list-full", "podrttd"), "the new daemon runs", 60)
    wait_until(lambda: all(handshakes(f"web-{number}") == 5 for number in range(3)), "the counts are as they were", 30)
    cluster.pod("shop", "web-3", connects(peer.v4, 5))
    wait_until(lambda: handshakes("web-3") == 5, "a pod that came after it is measured", 30)

    inside = ("exec", "--namespace=shop", "busy", "--", "/bin/busybox")
    cluster.kubectl(*inside, "touch", "/stop")
    wait_until(lambda: "count" in cluster.kubectl(*inside, "ls", "/"), "the busy pod has stopped", 30)
    count = int(cluster.kubectl(*inside, "cat", "/count"))
    print(f"  {count} connections meanwhile, {handshakes('busy')} handshakes", flush=True)
    assert handshakes("busy") == count > 10

    print("==> A pod is deleted", flush=True)
    cluster.kubectl("delete", "pod", "--namespace=shop", "web-3", "--timeout=60s")
    wait_until(lambda: 'pod="web-3"' not in metrics(), "it leaves the metrics", 60)

    print("==> helm uninstall: the hook takes all of it from the node", flush=True)
    print(cluster.helm("uninstall", "podrtt", "--namespace", "podrtt", "--wait", "--timeout", "3m"), flush=True)
    assert (containerd.CONFLISTS / "10-test.conflist").read_bytes() == before
    assert not (containerd.PLUGINS / "podrtt").exists() and not pathlib.Path("/sys/fs/bpf/podrtt").exists()
    assert not any(own_filters(link["ifname"]) for link in json.loads(run("ip", "--json", "link", "show", "type", "veth")))
    left = cluster.kubectl("get", "daemonsets,jobs,serviceaccounts,roles,rolebindings", "--all-namespaces", "-o", "name")
    assert "podrtt" not in left, left
    cluster.pod("shop", "later", connects(peer.v4, 1))
    print(cluster.kubectl("get", "pods", "--namespace=shop", "-o", "wide"), flush=True)
    cluster.kubectl("delete", "namespace", "shop", "--timeout=60s")


if __name__ == "__main__":
    main()
