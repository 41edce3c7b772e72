# SPDX-License-Identifier: Apache-2.0
"""Faults, each put in on purpose, and that nothing is lost by them. Run by e2e/rig/isolate."""

import pathlib
import signal
import subprocess
import time
import unittest

import node
from node import BIN, PINS, Chain, Daemon, Pod, near_server, own_filters, requests, run, samples, wait_until

PORT = 8080
OTHER = PINS.parent / "v0"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def setUpModule():
    node.prepare()
    global NEAR
    NEAR = near_server(PORT)


class FaultTest(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("--grace-period", "1")
        self.pod = Pod(Chain(), "shop", self.id().rsplit(".", 1)[1].replace("_", "-")[:50]).create()
        requests(self.pod, NEAR.v4, PORT, 3)
        self.opened = 3

    def tearDown(self):
        self.daemon.stop()
        self.pod.delete()

    def assert_nothing_is_lost(self):
        requests(self.pod, NEAR.v4, PORT)
        self.opened += 1
        seen = samples(self.pod, "network", "handshake")
        self.assertTrue(self.opened - self.pod.syn_retransmits() <= seen <= self.opened, f"{seen} of {self.opened}")

    def repairs(self, repair):
        return f'podrtt_repairs_total{{repair="{repair}"}} 0' not in self.daemon.metrics()

    def test_pins_are_deleted(self):
        for pin in PINS.iterdir():
            pin.rmdir() if pin.is_dir() else pin.unlink()
        PINS.rmdir()
        wait_until(lambda: self.repairs("pinned"), "the pins are back")
        self.assert_nothing_is_lost()
        other = Pod(Chain(), "shop", "after-the-pins").create()
        requests(other, NEAR.v4, PORT)
        self.assertEqual(samples(other, "network", "handshake"), 1)
        other.delete()

    def test_bpffs_is_unmounted(self):
        run("umount", "-l", "/sys/fs/bpf")
        wait_until(lambda: self.repairs("pinned"), "the bpffs is back, and the pins")
        self.assert_nothing_is_lost()

    def test_daemon_is_killed_and_comes_back(self):
        self.daemon.process.kill()
        self.daemon.process.wait()
        requests(self.pod, NEAR.v4, PORT)  # nobody is there
        self.opened += 1
        self.daemon = Daemon("--grace-period", "1")
        self.assert_nothing_is_lost()

    def test_daemon_is_ended_while_it_repairs(self):
        for _ in range(10):
            run("tc", "qdisc", "delete", "dev", self.pod.host_veth, "clsact")
            self.daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(self.daemon.process.wait(10), 0)
            self.daemon = Daemon("--grace-period", "1")
            wait_until(lambda: len(own_filters(self.pod.host_veth)) == 2, "the filters are back")
        self.assert_nothing_is_lost()

    def test_kernels_messages_are_lost(self):
        """More link messages than the daemon's buffer holds, while it does not read."""
        self.daemon.process.send_signal(signal.SIGSTOP)
        batch = "".join(f"link set dev lo alias {'x' * 200}{i}\n" for i in range(4000))
        run("ip", "-batch", "-", input=batch)
        run("tc", "qdisc", "delete", "dev", self.pod.host_veth, "clsact")
        self.daemon.process.send_signal(signal.SIGCONT)
        wait_until(lambda: len(own_filters(self.pod.host_veth)) == 2, "the filters are back", 60)
        self.assert_nothing_is_lost()

    def test_reader_of_events_is_killed(self):
        """It leaves its lock's directory beside the pins."""
        reader = subprocess.Popen([BIN / "podrttd", "stream"], stdout=subprocess.DEVNULL)
        wait_until((PINS / "stream").exists, "it reads")
        reader.kill()
        reader.wait()
        self.daemon.stop()
        self.daemon = Daemon("--grace-period", "1")
        self.assert_nothing_is_lost()

    def test_cache_files_are_torn(self):
        cache = pathlib.Path("/var/lib/cni/results")
        run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/cni") if cache.parent.exists() else None
        cache.mkdir(parents=True, exist_ok=True)
        for name, text in (("a", ""), ("b", '{"kind": "cniCacheV1", "containerId'), ("c", "[]"), ("d", "\0" * 4096),
                           ("e", '{"kind": "cniCacheV1", "containerId": "../..", "ifName": "eth0", "result": 5}')):
            (cache / f"net-{name}-eth0").write_text(text, encoding="ascii")
        self.daemon.stop()
        self.daemon = Daemon("--grace-period", "1")
        self.assert_nothing_is_lost()

    def test_clock_is_set(self):
        """By years, forth and back, under a running daemon; and pods come and go meanwhile."""
        offset = pathlib.Path("/run/offset")
        offset.write_text("+0\n", encoding="ascii")
        self.daemon.stop()
        self.daemon = Daemon("--grace-period", "2", prefix=(
            "env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={offset}", "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1"))
        for number, jump in enumerate(("+10y", "-10y", "+1h")):
            with self.subTest(jump):
                other = Pod(Chain(), "shop", f"other-{number}").create()
                requests(other, NEAR.v4, PORT, 2)
                other.delete()
                gone = time.monotonic()
                offset.write_text(jump + "\n", encoding="ascii")
                wait_until(lambda: f'pod="{other.name}"' not in self.daemon.metrics(), "its series leave", 20)
                self.assertGreater(time.monotonic() - gone, 2)
                self.assert_nothing_is_lost()
        total = 'podrtt_namespace_tcp_handshake_seconds_count{namespace="shop",leg="network",peer="private"}'
        [line] = [line for line in self.daemon.metrics().splitlines() if line.startswith(total)]
        self.assertGreaterEqual(float(line.split()[-1]), self.opened + 6)

    def test_upgrade_from_another_layout(self):
        """The samples, the pods and the attached programs of a daemon with other pins."""
        before = {line for line in own_filters(self.pod.host_veth)}
        gone = Pod(Chain(), "shop", "gone-before").create()
        requests(gone, NEAR.v4, PORT)
        gone.delete()
        wait_until(lambda: 'pod="gone-before"' not in self.daemon.metrics(), "its samples are in the totals")
        total = 'podrtt_namespace_tcp_handshake_seconds_count{namespace="shop",leg="network",peer="private"}'
        value = [line for line in self.daemon.metrics().splitlines() if line.startswith(total)]
        self.daemon.stop()
        (PINS / "stream").mkdir(exist_ok=True)  # as a reader of events leaves it
        PINS.rename(OTHER)
        requests(self.pod, NEAR.v4, PORT)  # counted by the old programs
        self.opened += 1
        self.daemon = Daemon("--grace-period", "1")
        wait_until(lambda: not OTHER.exists(), "the other layout is taken over")
        self.assertNotEqual({line for line in own_filters(self.pod.host_veth)}, before)
        self.assertEqual(len(own_filters(self.pod.host_veth)), 2)
        self.assert_nothing_is_lost()
        count = float(value[0].split()[-1]) + 2
        self.assertIn(f"{total} {count:g}\n", self.daemon.metrics())
        time.sleep(2)
        self.assert_nothing_is_lost()


if __name__ == "__main__":
    unittest.main()
