# SPDX-License-Identifier: Apache-2.0
"""What the daemon may do with how little. Run by e2e/rig/isolate."""

import shutil
import subprocess
import unittest

import node
from node import BIN, Chain, Daemon, Pod, own_filters, run, wait_until

NEEDED = ("bpf", "net_admin", "perfmon")


def setUpModule():
    node.prepare()


def with_capabilities(*names):
    bounding = ",".join(["-all", *(f"+{name}" for name in names)])
    return ("setpriv", f"--bounding-set={bounding}", "--inh-caps=-all", "--no-new-privs")


class PrivilegeTest(unittest.TestCase):
    def test_these_capabilities_and_a_root_that_is_read_only_are_enough(self):
        read_only = ("unshare", "--mount", "sh", "-c", 'mount -o remount,ro,bind / && exec "$@"', "sh")
        daemon = Daemon("--grace-period", "1", prefix=(*read_only, *with_capabilities(*NEEDED)))
        pod = Pod(Chain(), "shop", "little").create()
        run("tc", "qdisc", "delete", "dev", pod.host_veth, "clsact")
        wait_until(lambda: len(own_filters(pod.host_veth)) == 2, "the filters are back")
        self.assertIn('podrtt_pod_attached{namespace="shop",pod="little",reason="clsact"} 1', daemon.metrics())
        pod.delete()
        wait_until(lambda: 'pod="little"' not in daemon.metrics(), "the pod is retired")
        daemon.stop()

    def test_none_of_them_can_be_spared(self):
        for name in NEEDED:
            with self.subTest(name):
                less = [other for other in NEEDED if other != name]
                done = subprocess.run([*with_capabilities(*less), BIN / "podrttd", "--pin-path", "/sys/fs/bpf/less", "run",
                                       "--listen", "127.0.0.1:9436"], capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 1)
                self.assertIn("load BPF object", done.stderr)
                self.assertRegex(done.stderr, "Permission denied|Operation not permitted")
                self.assertIn(f"run it as root, or with CAP_{name.upper()}", done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)  # libbpf's words are for --log-level debug

    def test_who_may_nothing_is_told_so_in_one_line(self):
        shutil.copy(BIN / "podrttd", "/run/podrttd")  # where everybody may run it
        nobody = ("setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all")
        for command in (("run",), ("top", "--once"), ("stream",), ("status",)):
            with self.subTest(command[0]):
                done = subprocess.run([*nobody, "/run/podrttd", *command], capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 1)
                self.assertEqual(len(done.stderr.splitlines()), 1)
                self.assertRegex(done.stderr, "run it as root, or with CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON|start podrttd run")

    def test_a_node_without_a_bpffs_gets_one_from_the_init_container(self):
        def kind_of(*enter):
            return run(*enter, "stat", "-f", "-c", "%T", "/sys/fs/bpf").strip()

        node_ns = subprocess.Popen(["unshare", "--mount", "sh", "-c", "umount /sys/fs/bpf; mount --bind /sys/fs/bpf /sys/fs/bpf; "
                                    "mount --make-shared /sys/fs/bpf; echo ready; sleep 60"], stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(node_ns.stdout.readline(), "ready\n")
            on_node = ("nsenter", "--mount", "--target", str(node_ns.pid))
            self.assertNotEqual(kind_of(*on_node), "bpf_fs")
            container = (*on_node, "unshare", "--mount", "--propagation")  # with mountPropagation Bidirectional, and without
            self.assertEqual(subprocess.run([*container, "private", BIN / "podrttd", "mount-bpffs"], check=False).returncode, 1)
            self.assertNotEqual(kind_of(*on_node), "bpf_fs")
            for _ in range(2):  # again is nothing new
                run(*container, "unchanged", BIN / "podrttd", "mount-bpffs")
                self.assertEqual(kind_of(*on_node), "bpf_fs")
        finally:
            node_ns.kill()
            node_ns.wait()

    def test_pause_ends_at_once_when_it_is_asked_to(self):
        with subprocess.Popen([BIN / "podrttd", "pause"]) as paused:
            wait_until(lambda: run("grep", "SigBlk", f"/proc/{paused.pid}/status").split()[1] != "0" * 16, "it waits")
            paused.terminate()
            self.assertEqual(paused.wait(5), 0)


if __name__ == "__main__":
    unittest.main()
