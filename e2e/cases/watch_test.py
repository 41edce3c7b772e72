# SPDX-License-Identifier: Apache-2.0
"""podrttd watch: one interface, without CNI and without a daemon. Run by e2e/rig/isolate."""

import json
import pathlib
import subprocess
import time
import unittest

import node
from node import BIN, TRAFFIC, Chain, CommandFailed, Daemon, Pod, filters, in_netns, near_server, requests, run, wait_until

PORT = 8080
BPFFS = pathlib.Path("/sys/fs/bpf")


def pins():
    return list(BPFFS.glob("podrtt-watch-*"))


class WatchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        node.prepare()
        cls.near = near_server(PORT)
        cls.address = cls.near._near[0].split("/")[0]  # this host's, as the peer sees it

    def tearDown(self):
        wait_until(lambda: not pins(), "nothing is pinned any more")
        self.assertEqual(filters("near0"), [])

    def start(self, *options, interface="near0", enter=()):
        watch = subprocess.Popen([*enter, BIN / "podrttd", "watch", interface, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True)
        try:
            wait_until(lambda: len(run(*enter, "tc", "filter", "show", "dev", interface, "ingress").splitlines()) > 1, "it is attached")
        except CommandFailed:
            watch.kill()
            raise
        time.sleep(0.5)  # until it reads
        return watch

    def test_a_veth_is_watched_for_who_lives_behind_it(self):
        watch = self.start("--kind", "handshake", "--count", "2")
        run(*TRAFFIC, "requests", self.near.v4, str(PORT), "1", "1")
        text, _ = watch.communicate(timeout=20)
        events = [json.loads(line) for line in text.splitlines()]
        self.assertEqual(watch.returncode, 0)
        # The peer answers this host: of the peer, the leg is its own.
        self.assertEqual({(event["pod"], event["leg"], event["dest_ip"]) for event in events},
                         {("near0", "pod", self.address), ("near0", "network", self.near.v4)})

    def test_in_a_container_it_is_watched_for_itself(self):
        watch = self.start("--own", "--kind", "handshake", "--count", "2", interface="eth0", enter=in_netns("near"))
        run(*TRAFFIC, "requests", self.near.v4, str(PORT), "1", "1")
        text, _ = watch.communicate(timeout=20)
        self.assertEqual({(event["pod"], event["leg"], event["dest_ip"]) for event in map(json.loads, text.splitlines())},
                         {("eth0", "pod", self.address), ("eth0", "network", self.near.v4)})

    def test_top_of_an_interface(self):
        watch = self.start("--top", "--duration", "2s", interface="lo")
        text, _ = watch.communicate(timeout=20)
        self.assertRegex(text, r"^POD +LEG.*\nlo +(idle|network)")

    def test_ends_by_a_signal_and_leaves_nothing(self):
        for number in (15, 2):
            watch = self.start()
            watch.send_signal(number)
            watch.communicate(timeout=20)
            self.assertEqual(watch.returncode, 0)
            self.assertEqual(pins(), [])

    def test_what_was_killed_is_taken_away_by_the_next(self):
        watch = self.start()
        watch.kill()
        watch.communicate(timeout=20)
        self.assertTrue(pins())
        run(BIN / "podrttd", "watch", "near0", "--duration", "1s")

    def test_an_interface_that_a_daemon_measures_is_left_to_it(self):
        daemon = Daemon("--grace-period", "1")
        pod = Pod(Chain(), "shop", "web").create()
        done = subprocess.run([BIN / "podrttd", "watch", pod.host_veth], capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("podrttd measures already", done.stderr)
        daemon.process.kill()  # its programs measure on, and are its own
        daemon.process.wait()
        done = subprocess.run([BIN / "podrttd", "watch", pod.host_veth], capture_output=True, text=True, check=False, timeout=30)
        self.assertIn("podrttd measures already", done.stderr)
        daemon = Daemon("--grace-period", "1")
        requests(pod, self.near.v4, PORT)
        self.assertIn('podrtt_tcp_handshake_seconds_count{namespace="shop",pod="web"', daemon.metrics())
        pod.delete()
        daemon.stop()

    def test_a_terminal_that_is_closed_leaves_nothing(self):
        for number in (1, 3):
            watch = self.start()
            watch.send_signal(number)
            watch.communicate(timeout=20)
            self.assertEqual(pins(), [])

    def test_an_interface_without_ethernet_is_refused(self):
        run("ip", "tuntap", "add", "tun7", "mode", "tun")
        done = subprocess.run([BIN / "podrttd", "watch", "tun7"], capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no Ethernet header", done.stderr)

    def test_an_interface_that_is_not_there_is_named(self):
        done = subprocess.run([BIN / "podrttd", "watch", "nowhere0"], capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("watch nowhere0: there is no such interface", done.stderr)


if __name__ == "__main__":
    unittest.main()
