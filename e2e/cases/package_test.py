# SPDX-License-Identifier: Apache-2.0
"""The package of Debian, installed in a Debian 12 that has nothing else, and the daemon run from there. Run by
e2e/rig/isolate."""

import json
import pathlib
import subprocess
import unittest

import node
from node import BIN, Chain, Pod, near_server, requests, run, wait_until

PORT = 8080


def setUpModule():
    node.prepare()


class PackageTest(unittest.TestCase):
    root = BIN.parent / "package-root"  # of rig/package_root

    def setUp(self):
        run("mount", "--rbind", "/sys", self.root / "sys")
        run("mount", "-t", "proc", "proc", self.root / "proc")

    def tearDown(self):
        run("umount", "--recursive", "--lazy", self.root / "sys", self.root / "proc")

    def in_root(self, *command):
        return run("chroot", self.root, *command)

    def test_has_what_a_package_has(self):
        files = set(self.in_root("dpkg", "--listfiles", "podrtt").split())
        for path in ("/usr/bin/podrtt", "/usr/bin/podrttd", "/lib/systemd/system/podrttd.service", "/etc/podrtt/podrttd.yml",
                     "/usr/share/bash-completion/completions/podrttd", "/usr/share/zsh/vendor-completions/_podrttd",
                     "/usr/share/man/man8/podrtt.8", "/usr/share/man/man8/podrttd.8", "/usr/share/doc/podrtt/copyright"):
            self.assertTrue({path, f"/usr{path}"} & files, path)
        self.assertEqual(self.in_root("dpkg-query", "--show", "--showformat=${Conffiles}", "podrtt").split()[0], "/etc/podrtt/podrttd.yml")
        self.assertRegex(self.in_root("podrttd", "--version"), r"^podrttd \d+\.\d+\.\d+ \(commit [0-9a-f]{12}\)$")

    def test_its_service_is_one_that_systemd_takes(self):
        unit, = self.root.glob("**/systemd/system/podrttd.service")
        text = unit.read_text(encoding="utf-8").replace("/usr/bin/podrttd", str(self.root / "usr/bin/podrttd"))
        pathlib.Path("/run/podrttd.service").write_text(text, encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", "/run/podrttd.service"], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.stderr, "")

    def test_removed_it_leaves_cni_as_it_was(self):
        conflist = self.root / "etc/cni/net.d/10-podnet.conflist"
        conflist.parent.mkdir(parents=True, exist_ok=True)
        before = json.dumps({"cniVersion": "1.0.0", "name": "podnet", "plugins": [{"type": "ptp"}]})
        conflist.write_text(before, encoding="ascii")
        self.addCleanup(conflist.unlink)
        self.in_root("podrttd", "install")
        self.assertIn('"podrtt"', conflist.read_text(encoding="ascii"))

        self.addCleanup(self.in_root, "dpkg", "--install", "/podrtt.deb")
        self.in_root("dpkg", "--remove", "podrtt")
        self.assertEqual(json.loads(conflist.read_text(encoding="ascii")), json.loads(before))
        self.assertEqual(list((self.root / "opt/cni/bin").glob("*")), [])

    def test_its_daemon_measures_a_pod(self):
        (self.root / "etc/podrtt/podrttd.yml").write_text("listen: ['127.0.0.1:9435']\n", encoding="ascii")
        with subprocess.Popen(["chroot", self.root, "podrttd", "run", "--config", "/etc/podrtt/podrttd.yml"]) as daemon:
            try:
                wait_until(lambda: subprocess.run(["curl", "-sf", "http://127.0.0.1:9435/readyz"], check=False,
                                                  stdout=subprocess.DEVNULL).returncode == 0, "podrttd is ready")
                pod = Pod(Chain(), "shop", "web").create()
                requests(pod, near_server(PORT).v4, PORT, connections=2, count=3)
                self.assertIn("web", self.in_root("podrttd", "top", "--once"))
                pod.delete()
            finally:
                daemon.terminate()
        self.assertEqual(daemon.returncode, 0)


if __name__ == "__main__":
    unittest.main()
