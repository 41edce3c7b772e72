# SPDX-License-Identifier: Apache-2.0
"""containerd with its CRI plugin, as kubelet uses it, on the node that node.prepare() made."""

import importlib
import json
import pathlib
import subprocess
import sys
import uuid

import grpc

import oci
from node import BIN, CNI_BIN, ROOT, run, wait_until

HOME = pathlib.Path("/run/containerd-test")
PLUGINS = HOME / "cni/bin"
CONFLISTS = HOME / "cni/net.d"
ADDRESS = HOME / "containerd.sock"
PAUSE = "localhost/pause:1"

CONFIG = f"""
version = 2
root = "{HOME}/root"
state = "{HOME}/state"
[grpc]
  address = "{ADDRESS}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{CONFLISTS}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


def cri_messages():
    """The messages of cri.proto, compiled now."""
    folder = HOME / "python"
    folder.mkdir()
    run("protoc", f"--proto_path={ROOT / 'e2e/rig'}", f"--python_out={folder}", "cri.proto")
    sys.path.insert(0, str(folder))
    return importlib.import_module("cri_pb2")


def pause_image(path):
    oci.archive(path, PAUSE, {"bin/busybox": "/bin/busybox"}, ["/bin/busybox", "sleep", "1000000"])


def write_conflist(conflist):
    """As an installer should: the runtime never sees half of it."""
    temporary = CONFLISTS / ".new"
    temporary.write_text(json.dumps(conflist), encoding="utf-8")
    temporary.rename(CONFLISTS / "10-test.conflist")


class Containerd:
    def __init__(self):
        for folder in (PLUGINS, CONFLISTS):
            folder.mkdir(parents=True)
        for plugin in CNI_BIN.iterdir():
            (PLUGINS / plugin.name).symlink_to(plugin)
        (PLUGINS / "podrtt").symlink_to(BIN / "podrtt")
        (HOME / "config.toml").write_text(CONFIG, encoding="utf-8")
        self.messages = cri_messages()
        self.start()
        pause_image(HOME / "pause.tar")
        self.import_image(HOME / "pause.tar")

    @staticmethod
    def import_image(archive):
        run("ctr", "--address", ADDRESS, "--namespace", "k8s.io", "images", "import", "--snapshotter", "native", archive)

    def start(self):
        self.log = open(HOME / "log", "a", encoding="utf-8")
        self.process = subprocess.Popen(["containerd", "--config", HOME / "config.toml"], stdout=self.log,
                                        stderr=self.log)
        self.channel = grpc.insecure_channel(f"unix://{ADDRESS}")
        wait_until(self._answers, "containerd answers", 30)

    def _answers(self):
        try:
            return self.conditions()
        except grpc.RpcError:
            return None

    def stop(self, kill=False):
        self.channel.close()
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(30)

    def _call(self, method, request, answer):
        return self.channel.unary_unary(
            f"/runtime.v1.RuntimeService/{method}", request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString)(request, timeout=60)

    def conditions(self):
        """Whether the runtime and its network are ready, as kubelet sees it."""
        status = self._call("Status", self.messages.Empty(), self.messages.StatusResponse).status
        return {condition.type: condition.status for condition in status.conditions}

    def run_sandbox(self, namespace, name, host_port=None, uid=None):
        config = self.messages.PodSandboxConfig(hostname=name)
        config.metadata.name, config.metadata.namespace = name, namespace
        config.metadata.uid = uid or str(uuid.uuid4())
        config.linux.cgroup_parent = "/podrtt-test"
        if host_port:
            config.port_mappings.add(protocol=0, container_port=8080, host_port=host_port)
        sandbox = self._call("RunPodSandbox", self.messages.RunPodSandboxRequest(config=config),
                             self.messages.PodSandboxId).pod_sandbox_id
        return Sandbox(self, sandbox, config.metadata)

    def stop_sandbox(self, sandbox):
        self._call("StopPodSandbox", self.messages.PodSandboxId(pod_sandbox_id=sandbox), self.messages.Empty)

    def remove_sandbox(self, sandbox):
        self._call("RemovePodSandbox", self.messages.PodSandboxId(pod_sandbox_id=sandbox), self.messages.Empty)

    def status(self, sandbox):
        return self._call("PodSandboxStatus", self.messages.PodSandboxId(pod_sandbox_id=sandbox, verbose=True),
                          self.messages.PodSandboxStatusResponse)


class Sandbox:
    def __init__(self, containerd, sandbox_id, metadata):
        self.containerd, self.id = containerd, sandbox_id
        self.name, self.namespace, self.uid = metadata.name, metadata.namespace, metadata.uid
        status = containerd.status(sandbox_id)
        self.addresses = [status.status.network.ip, *(more.ip for more in status.status.network.additional_ips)]
        namespaces = json.loads(status.info["info"])["runtimeSpec"]["linux"]["namespaces"]
        self.netns = next(namespace["path"] for namespace in namespaces if namespace["type"] == "network")

    def popen(self, *command, **options):
        return subprocess.Popen(["nsenter", f"--net={self.netns}", *map(str, command)], **options)

    def stop(self):
        self.containerd.stop_sandbox(self.id)

    def remove(self):
        self.stop()
        self.containerd.remove_sandbox(self.id)
