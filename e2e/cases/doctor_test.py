# SPDX-License-Identifier: Apache-2.0
"""podrttd status and podrttd doctor, on a node that is well and on one that is not. Run by e2e/rig/isolate."""

import json
import pathlib
import subprocess
import unittest

import node
from node import BIN, TRAFFIC, Chain, Daemon, Pod, near_server, run, wait_until

CONF, CNI_BIN, CACHE = pathlib.Path("/run/net.d"), pathlib.Path("/run/bin"), pathlib.Path("/run/results")
DIRECTORIES = ("--cni-conf-dir", CONF, "--cni-bin-dir", CNI_BIN)


def doctor(prefix=()):
    """Its exit status, and its lines by what they begin with."""
    done = subprocess.run([*prefix, BIN / "podrttd", "doctor", *DIRECTORIES, "--cni-cache-dir", CACHE],
                          capture_output=True, text=True, check=False)
    findings = {"ok": [], "warn": [], "FAIL": []}
    for line in done.stdout.splitlines():
        kind, _, what = line.partition(" ")
        if kind in findings:
            findings[kind].append(what.strip())
        else:
            assert line.startswith("      -> "), line  # what to do about it
    return done.returncode, findings


def status(expected=0):
    return json.loads(status_text("--json", expected=expected))


def status_text(*options, expected=0):
    done = subprocess.run([BIN / "podrttd", "status", *options, *DIRECTORIES], capture_output=True, text=True, check=False)
    assert done.returncode == expected, done
    return done.stdout


class DoctorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        node.prepare()
        for directory in (CONF, CNI_BIN, CACHE):
            directory.mkdir()
        (CONF / "10-azure.conflist").write_text(
            '{"cniVersion": "0.3.0", "name": "azure", "plugins": [{"type": "azure-vnet"}]}', encoding="ascii")
        cls.near = near_server(8080)

    def setUp(self):
        self.daemon = Daemon("--install", *map(str, DIRECTORIES), "--grace-period", "1")
        self.pod = Pod(Chain(), "shop", "web").create()
        self.assertEqual(self.pod.popen(*TRAFFIC, "requests", self.near.v4, "8080", "2", "5").wait(30), 0)

    def tearDown(self):
        if self.daemon.process.poll() is None:
            self.daemon.stop()
        self.pod.delete()

    def test_node_is_well(self):
        wait_until(lambda: status()["plugin_installed"], "the plugin is installed")
        code, findings = doctor()
        self.assertEqual((code, findings["FAIL"], findings["warn"]), (0, [], []))
        self.assertIn("all 1 pods are measured", findings["ok"])
        seen = status()
        self.assertTrue(seen["daemon_runs"] and seen["plugin_installed"])
        self.assertEqual([(pod["namespace"], pod["pod"], pod["attached"]) for pod in seen["pods"]], [("shop", "web", True)])
        self.assertGreater(seen["samples"], 0)
        text = status_text()
        self.assertIn("1 measured, 0 not", text)
        self.assertRegex(text, "daemon +runs\n")

    def test_connections_without_data_have_samples_too(self):
        before = status()["samples"]
        self.pod.popen(*TRAFFIC, "connects", self.near.v4, 8080, 3, stdout=subprocess.DEVNULL).wait(30)
        self.assertGreaterEqual(status()["samples"], before + 6)  # a handshake and a connect of each

    def test_daemon_is_gone_and_somebody_has_removed_filters(self):
        self.daemon.stop()
        run("tc", "qdisc", "delete", "dev", self.pod.host_veth, "clsact")
        code, findings = doctor()
        self.assertEqual(code, 1)
        self.assertIn("podrttd does not run", findings["FAIL"])
        self.assertIn(f"shop/web ({self.pod.host_veth}) is not measured: podrtt's programs are not on it", findings["FAIL"])
        seen = status(3)
        self.assertFalse(seen["daemon_runs"])
        self.assertFalse(seen["pods"][0]["attached"])
        self.assertIn("not measured: shop/web", status_text(expected=3))

    def test_plugin_is_no_longer_what_it_was(self):
        wait_until(lambda: status()["plugin_installed"], "the plugin is installed")
        self.daemon.stop()
        (CNI_BIN / "podrtt").chmod(0o644)
        code, findings = doctor()
        self.assertEqual(code, 1)
        self.assertTrue([what for what in findings["FAIL"] if "does not work" in what and "Permission denied" in what], findings)
        self.assertFalse(status(3)["plugin_installed"])
        (CNI_BIN / "podrtt").unlink()

    def test_plugin_is_not_installed(self):
        self.daemon.stop()
        run(BIN / "podrttd", "uninstall", "--wait", 0, *DIRECTORIES)
        _, findings = doctor()
        self.assertTrue([what for what in findings["warn"] if "plugin is not installed" in what], findings)

    def test_capabilities_are_missing(self):
        code, findings = doctor(("setpriv", "--bounding-set=-bpf,-perfmon", "--inh-caps=-all"))
        self.assertEqual(code, 1)
        self.assertIn("missing capabilities: CAP_BPF, CAP_PERFMON", findings["FAIL"])
        _, findings = doctor(("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"))
        self.assertTrue([what for what in findings["warn"] if "CAP_SYS_ADMIN" in what], findings)

    def test_nothing_was_ever_there(self):
        done = subprocess.run([BIN / "podrttd", "doctor", "--pin-path", "/sys/fs/bpf/elsewhere"], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"nothing is pinned in /sys/fs/bpf/elsewhere/{node.LAYOUT}", done.stdout)
        done = subprocess.run([BIN / "podrttd", "doctor", "--pin-path", "/run/elsewhere"], capture_output=True, text=True,
                              check=False)
        self.assertIn("is on no bpffs", done.stdout)
        done = subprocess.run([BIN / "podrttd", "status", "--pin-path", "/run/elsewhere"], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file", done.stderr)


if __name__ == "__main__":
    unittest.main()
