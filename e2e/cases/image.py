# SPDX-License-Identifier: Apache-2.0
"""The image of hack/Dockerfile on a node: run by podman as the DaemonSet in manifests/base says, with
containerd making pods beside it. Run by hack/image, inside e2e/rig/isolate."""

import pathlib
import sys

import yaml

import containerd
import node
from daemonset import CHAIN, handshakes, metrics
from node import ROOT, TRAFFIC, near_server, run, wait_until
from podman import Podman

PORT = 8080
# Where this node has what others have elsewhere.
DIRECTORIES = {"/opt/cni/bin": containerd.PLUGINS, "/etc/cni/net.d": containerd.CONFLISTS, "/var/run/netns": "/run/netns"}


def container_options():
    """The DaemonSet's container in podman's words."""
    template = next(document for document in yaml.safe_load_all((ROOT / "manifests/base/podrtt.yaml").read_text(encoding="ascii"))
                    if document["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    container, = template["containers"]
    context = container["securityContext"]
    assert template["hostNetwork"] and context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
    options = ["--network", "host", "--read-only", "--security-opt", "no-new-privileges", "--user", str(context["runAsUser"])]
    options += [f"--cap-drop={name}" for name in context["capabilities"]["drop"]]
    options += [f"--cap-add={name}" for name in context["capabilities"]["add"]]
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in template["volumes"]}
    for mount in container["volumeMounts"]:
        path = DIRECTORIES.get(paths[mount["name"]], paths[mount["name"]])
        flags = ["ro"] if mount.get("readOnly") else ["rw"]
        flags += ["rslave"] if mount.get("mountPropagation") == "HostToContainer" else []
        options += ["--volume", f"{path}:{mount['mountPath']}:{','.join(flags)}"]
    return options, container["args"]


def connect(pod, peer, times):
    assert pod.popen(*TRAFFIC, "requests", peer.v4, PORT, times, 5).wait(30) == 0


def start(podman, image):
    options, arguments = container_options()
    podman("run", "--detach", "--name", "podrttd", *options, image, *arguments, *node.EVERYTHING)
    wait_until(metrics, "podrttd in its container serves /metrics", 30)


def main():
    archive = sys.argv[1]
    node.prepare()
    run("mount", "--make-rshared", "/run")
    node.own_cni_state()
    pathlib.Path("/var/lib/cni/results").mkdir()
    podman = Podman(CHAIN)
    runtime = containerd.Containerd()
    (containerd.PLUGINS / "podrtt").unlink()  # the container is to bring it
    containerd.write_conflist(CHAIN)
    peer = near_server(PORT)
    wait_until(lambda: runtime.conditions()["NetworkReady"], "containerd's network is ready", 30)

    print("==> A pod from before", flush=True)
    older = runtime.run_sandbox("shop", "older")

    print("==> podrttd, as the DaemonSet says", flush=True)
    image = podman("pull", "--quiet", f"oci-archive:{archive}").splitlines()[-1]
    start(podman, image)
    wait_until(lambda: "podrtt_plugin_installed 1" in metrics(), "the plugin is installed")
    wait_until(lambda: "podrtt" in (containerd.CONFLISTS / "10-test.conflist").read_text(encoding="ascii"), "its entry, too")

    print("==> Pods of containerd", flush=True)
    pods = [runtime.run_sandbox("shop", f"web-{number}") for number in range(5)]
    wait_until(lambda: 'pod="older"' in metrics(), "the older pod is adopted", 40)
    for pod in (older, *pods):
        connect(pod, peer, 3)
    print(metrics_of([pod.name for pod in (older, *pods)]), flush=True)
    assert all(handshakes(pod.name) == 3 for pod in (older, *pods))

    print("==> An update: the container is replaced, pods come meanwhile, and nothing is lost", flush=True)
    podman("rm", "--force", "--time", "5", "podrttd")
    meanwhile = runtime.run_sandbox("shop", "meanwhile")
    connect(meanwhile, peer, 2)
    connect(pods[0], peer, 2)
    start(podman, image)
    assert handshakes("meanwhile") == 2
    assert handshakes("web-0") == 5
    print(podman("exec", "podrttd", "/usr/bin/podrttd", "doctor"), flush=True)

    print("==> Uninstalled, as the overlay says", flush=True)
    podman("rm", "--force", "--time", "5", "podrttd")
    options, _ = container_options()
    print(podman("run", "--rm", *options, image, "uninstall", "--purge"), flush=True)
    assert "podrtt" not in (containerd.CONFLISTS / "10-test.conflist").read_text(encoding="ascii")
    assert not (containerd.PLUGINS / "podrtt").exists() and not pathlib.Path("/sys/fs/bpf/podrtt").exists()
    connect(older, peer, 1)
    for pod in (older, meanwhile, *pods):
        pod.remove()
    runtime.stop()
    print("  ok    the image works as the DaemonSet runs it", flush=True)


def metrics_of(names):
    return "\n".join(f"  {name:10} {handshakes(name)} handshakes" for name in names)


if __name__ == "__main__":
    main()
