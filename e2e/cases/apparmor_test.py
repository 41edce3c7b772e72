# SPDX-License-Identifier: Apache-2.0
"""podrttd under the AppArmor profile that containerd gives to containers, and as the manifests run it. Needs a
kernel with AppArmor: run by hack/kernels, on Debian's."""

import pathlib
import re
import subprocess
import unittest

import node
from node import BIN, ROOT, Daemon, run, wait_until

PROFILE = "cri-containerd.apparmor.d"
HOME = pathlib.Path("/run/containerd-apparmor")


def load_profile():
    """containerd makes it and loads it when a container that shall have it starts."""
    (HOME / "rootfs/bin").mkdir(parents=True)
    (HOME / "rootfs/bin/busybox").write_bytes(pathlib.Path("/bin/busybox").read_bytes())
    (HOME / "rootfs/bin/busybox").chmod(0o755)
    address = HOME / "containerd.sock"
    (HOME / "config.toml").write_text(f'version = 2\nroot = "{HOME}/root"\nstate = "{HOME}/state"\n'
                                      'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                                      f'[grpc]\n  address = "{address}"\n', encoding="ascii")
    with open(HOME / "log", "w", encoding="utf-8") as log, \
            subprocess.Popen(["containerd", "--config", HOME / "config.toml"], stdout=log, stderr=log) as process:
        ctr = ["ctr", "--address", address]
        wait_until(lambda: subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode == 0,
                   "containerd answers", 180)
        run(*ctr, "run", "--rm", "--apparmor-default-profile", PROFILE, "--rootfs", HOME / "rootfs", "probe", "/bin/busybox",
            "true")
        process.terminate()


def confined(*command):
    return subprocess.run(["aa-exec", "-p", PROFILE, "--", *map(str, command)], capture_output=True, text=True, check=False,
                          timeout=120)


class AppArmorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        node.prepare()
        run("mount", "-t", "securityfs", "securityfs", "/sys/kernel/security")
        load_profile()
        profiles = pathlib.Path("/sys/kernel/security/apparmor/profiles").read_text(encoding="ascii")
        assert f"{PROFILE} (enforce)" in profiles, profiles

    def test_the_usual_profile_is_named_as_the_reason(self):
        done = confined(BIN / "podrttd", "run")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Permission denied", done.stderr)
        self.assertIn(f"AppArmor confines podrttd by the profile {PROFILE}", done.stderr)
        self.assertRegex(confined(BIN / "podrttd", "doctor").stdout, "AppArmor")

    def test_what_the_manifests_say_works(self):
        daemonset = (ROOT / "manifests/base/podrtt.yaml").read_text(encoding="utf-8")
        containers = re.findall(r"^ +- name: (\S+)\n +image:", daemonset, re.MULTILINE)
        self.assertTrue(containers)
        for container in containers:
            self.assertIn(f"container.apparmor.security.beta.kubernetes.io/{container}: unconfined", daemonset)
        self.assertRegex(daemonset, r"appArmorProfile: *(\{type: Unconfined\}|\n +type: Unconfined)")
        daemon = Daemon("--grace-period", "1")
        self.assertIn("podrtt_build_info", daemon.metrics())
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
