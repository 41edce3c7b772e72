# SPDX-License-Identifier: Apache-2.0
"""podman with its CNI back end, on the node that node.prepare() made."""

import json
import os
import pathlib
import shutil
import subprocess

from node import BIN, CNI_BIN, run

HOME = pathlib.Path("/run/podman-test")
SETTINGS = f"""
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["{HOME}/bin"]
network_config_dir = "{HOME}/net.d"
default_network = "podnet"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
"""


class Podman:
    def __init__(self, conflist):
        for folder in ("bin", "net.d", "rootfs/bin", "rootfs/proc", "rootfs/sys", "rootfs/dev", "rootfs/etc", "rootfs/run"):
            (HOME / folder).mkdir(parents=True)
        for plugin in CNI_BIN.iterdir():
            (HOME / "bin" / plugin.name).symlink_to(plugin)
        (HOME / "bin/podrtt").symlink_to(BIN / "podrtt")
        shutil.copy("/bin/busybox", HOME / "rootfs/bin")
        (HOME / "net.d/87-podnet.conflist").write_text(json.dumps({**conflist, "name": "podnet"}), encoding="utf-8")
        (HOME / "containers.conf").write_text(SETTINGS, encoding="utf-8")

    def __call__(self, *arguments):
        return run("podman", "--root", HOME / "root", "--runroot", HOME / "state", "--tmpdir", HOME / "tmp",
                   "--storage-driver", "vfs", *arguments,
                   env={**os.environ, "CONTAINERS_CONF": str(HOME / "containers.conf")}).strip()

    def start(self, name):
        return Container(self, name, self("run", "--detach", "--name", name, "--network", "podnet", "--rootfs",
                                          HOME / "rootfs", "/bin/busybox", "sleep", "1000"))


class Container:
    def __init__(self, podman, name, container_id):
        self.podman, self.name, self.id = podman, name, container_id
        self.netns = podman("inspect", name, "--format", "{{.NetworkSettings.SandboxKey}}")

    def popen(self, *command, **options):
        return subprocess.Popen(["nsenter", f"--net={self.netns}", *map(str, command)], **options)

    def reload(self):
        self.podman("network", "reload", self.name)

    def remove(self):
        self.podman("rm", "--force", "--time", "0", self.name)
