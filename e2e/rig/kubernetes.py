# SPDX-License-Identifier: Apache-2.0
"""A cluster of one node: etcd, kube-apiserver, the controller manager, the scheduler and kubelet, beside containerd.py's
runtime, on the node that node.prepare() made. What hack/cluster builds is in build/cluster/bin, kubectl and
helm are those of hack/schemas/tools."""

import json
import pathlib
import subprocess

import containerd
from node import ROOT, CommandFailed, run, wait_until

BIN = ROOT / "build/cluster/bin"
TOOLS = ROOT / "hack/schemas/node_modules/.tools"
KUBECTL = TOOLS / "kubectl/kubectl"
HELM = TOOLS / "helm/helm"
HOME = pathlib.Path("/run/kubernetes")
KUBECONFIG = HOME / "kubeconfig"
NODE = "node-1"
ADDRESS = "10.250.0.1"  # of the node
SERVICES = "10.251.0"  # the first of them is the API server's
TOKEN = "of-this-cluster-alone"
# What is not any namespace's, and kubelet would change for the whole machine.
KERNEL_SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
                   "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")


def keep_kernel_settings():
    for setting in KERNEL_SETTINGS:
        own = HOME / "sys" / setting
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(pathlib.Path("/proc/sys", setting).read_text(encoding="ascii"), encoding="ascii")
        run("mount", "--bind", own, pathlib.Path("/proc/sys", setting))


class Kubernetes:
    def __init__(self):
        HOME.mkdir()
        for folder in ("/var/lib/kubelet", "/var/log/pods", "/var/log/containers"):
            pathlib.Path(folder).mkdir(exist_ok=True, parents=True)
            run("mount", "-t", "tmpfs", "tmpfs", folder)
        keep_kernel_settings()
        run("mount", "--make-rshared", "/")  # as systemd leaves it
        # The API server's service, without a proxy: its address is the node's.
        run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
        run("ip", "address", "add", f"{SERVICES}.1/32", "dev", "lo")
        self.processes = []
        self._control_plane()
        self.runtime = containerd.Containerd()
        self._kubelet()

    def _start(self, name, *arguments):
        with open(HOME / f"{name}.log", "w", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen([name if name == "etcd" else BIN / name, *arguments], cwd=HOME,
                                                   stdout=log, stderr=log))

    def _control_plane(self):
        run("openssl", "genrsa", "-out", HOME / "accounts.key", "2048")
        (HOME / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n", encoding="ascii")
        self._start("etcd", "--data-dir", HOME / "etcd", "--listen-client-urls=http://127.0.0.1:2379",
                    "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync")
        self._start("kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", f"--cert-dir={HOME}/certs", "--secure-port=443",
                    f"--advertise-address={ADDRESS}", f"--service-cluster-ip-range={SERVICES}.0/24", "--authorization-mode=RBAC",
                    f"--token-auth-file={HOME}/tokens.csv", f"--service-account-key-file={HOME}/accounts.key",
                    f"--service-account-signing-key-file={HOME}/accounts.key", "--service-account-issuer=https://kubernetes.default.svc",
                    "--kubelet-preferred-address-types=InternalIP", "--allow-privileged")
        wait_until((HOME / "certs/apiserver.crt").exists, "the API server has a certificate", 60)
        KUBECONFIG.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"https://{SERVICES}.1:443",
                                                      "certificate-authority": f"{HOME}/certs/apiserver.crt"}}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "admin"}}]}), encoding="ascii")
        wait_until(self._api_ready, "the API server is ready", 60)
        self._start("kube-controller-manager", f"--kubeconfig={KUBECONFIG}", f"--root-ca-file={HOME}/certs/apiserver.crt",
                    f"--service-account-private-key-file={HOME}/accounts.key", "--leader-elect=false")
        self._start("kube-scheduler", f"--kubeconfig={KUBECONFIG}", "--leader-elect=false")

    def _kubelet(self):
        self._start("kubelet", f"--kubeconfig={KUBECONFIG}", f"--hostname-override={NODE}", f"--node-ip={ADDRESS}",
                    "--container-runtime=remote", f"--container-runtime-endpoint=unix://{containerd.ADDRESS}", "--cgroups-per-qos=false",
                    "--enforce-node-allocatable=", "--eviction-hard=", "--fail-swap-on=false", "--resolv-conf=",
                    "--sync-frequency=2s", f"--cert-dir={HOME}/kubelet-certs")
        wait_until(lambda: NODE in self.kubectl("get", "nodes"), "the node is registered", 60)

    def _api_ready(self):
        try:
            return self.kubectl("get", "--raw", "/readyz") == "ok"
        except CommandFailed:
            return False

    def wait_ready(self):
        self.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=60s")
        wait_until(lambda: "default" in self.kubectl("get", "serviceaccounts"), "pods may be made", 60)

    @staticmethod
    def kubectl(*arguments, **options):
        return run(KUBECTL, f"--kubeconfig={KUBECONFIG}", *arguments, **options)

    @staticmethod
    def helm(*arguments):
        return run(HELM, f"--kubeconfig={KUBECONFIG}", *arguments, env={"HOME": str(HOME), "PATH": "/usr/bin:/bin"})

    def pod(self, namespace, name, script):
        """Starts busybox's shell with a script, and waits until it runs."""
        if f"namespace/{namespace}" not in self.kubectl("get", "namespaces", "-o", "name").split():
            self.kubectl("create", "namespace", namespace)
        self.kubectl("apply", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "main", "image": containerd.PAUSE, "imagePullPolicy": "Never",
                                     "command": ["/bin/busybox", "sh", "-c", script]}]}}))
        self.kubectl("wait", "--for=condition=Ready", f"--namespace={namespace}", f"pod/{name}", "--timeout=60s")

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        self.runtime.stop()
