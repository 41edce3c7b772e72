# SPDX-License-Identifier: Apache-2.0
"""Whose samples they are, where two pods in turn have one ifindex: their host ends are made inside and
moved out, as Calico's and AWS' are. Run by e2e/rig/isolate."""

import os
import unittest

import node
from node import Chain, Daemon, Pod, add_netns, in_netns, near_server, own_filters, requests, run, wait_until

PORT = 8080
IFINDEX = 900
DEVICE = "cali0"  # the same for each, as Calico's and Azure's are for pods of one name
ADDRESS, GATEWAY = "10.98.0.2", "169.254.1.1"
CONNECTIONS = 5


def setUpModule():
    node.prepare()
    global NEAR
    NEAR = near_server(PORT)


class MovedPod(Pod):
    """A pod whose veth pair is made before podrtt is called."""

    def create(self, by_plugin=True):
        add_netns(self.netns)
        inside = in_netns(self.netns)
        run(*inside, "ip", "link", "add", DEVICE, "index", IFINDEX, "type", "veth", "peer", "name", "eth0", "index", 2)
        run(*inside, "ip", "link", "set", DEVICE, "netns", os.getpid())
        run("ip", "link", "set", DEVICE, "up")
        run("ip", "address", "add", f"{GATEWAY}/32", "dev", DEVICE)
        run("ip", "route", "add", ADDRESS, "dev", DEVICE)
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "address", "add", f"{ADDRESS}/32", "dev", "eth0")
        run(*inside, "ip", "route", "add", GATEWAY, "dev", "eth0")
        run(*inside, "ip", "route", "add", "default", "via", GATEWAY)
        if by_plugin:
            previous = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}], "dns": {}}
            self.chain.call("ADD", {"type": "podrtt"}, self.environment, previous)
        return self

    def delete(self, by_plugin=True):
        if by_plugin:
            self.chain.call("DEL", {"type": "podrtt"}, self.environment, None)
        run("ip", "link", "delete", DEVICE)
        run("ip", "netns", "delete", self.netns)


class IdentityTest(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("--grace-period", "5")
        self.namespace = self.id().rsplit("_", 1)[1]

    def tearDown(self):
        self.daemon.stop()

    def handshakes(self, family, **labels):
        """Of the network leg, as Prometheus sees them."""
        wanted = [f'{name}="{value}"' for name, value in {"leg": "network", **labels}.items()]
        return sum(float(line.split()[-1]) for line in self.daemon.metrics().splitlines()
                   if line.startswith(f"podrtt_{family}_seconds_count{{") and all(label in line for label in wanted))

    def pod_handshakes(self, pod):
        return self.handshakes("tcp_handshake", namespace=pod.namespace, pod=pod.name)

    def namespace_handshakes(self, pod):
        return self.handshakes("namespace_tcp_handshake", namespace=pod.namespace)

    def two_in_turn(self, del_first, add_second, daemon_down=False):
        first = MovedPod(Chain(), f"{self.namespace}-1", "first").create()
        requests(first, NEAR.v4, PORT, CONNECTIONS)
        seen = self.pod_handshakes(first)
        self.assertGreaterEqual(seen, CONNECTIONS - first.syn_retransmits())
        if daemon_down:
            self.daemon.stop()
        first.delete(del_first)
        second = MovedPod(Chain(), f"{self.namespace}-2", "second").create(add_second)
        if daemon_down:
            self.daemon = Daemon("--grace-period", "5")
        self.assertEqual(self.pod_handshakes(second), 0)
        requests(second, NEAR.v4, PORT, 2 * CONNECTIONS)
        expected = 2 * CONNECTIONS - second.syn_retransmits() if add_second else 0
        self.assertGreaterEqual(self.pod_handshakes(second), expected)
        self.assertLessEqual(self.pod_handshakes(second), 2 * CONNECTIONS)
        self.assertEqual(bool(own_filters(DEVICE)), add_second)
        wait_until(lambda: self.pod_handshakes(first) == 0, "the first pod's series have left", 60)
        self.assertEqual(self.namespace_handshakes(first), seen)
        self.assertGreaterEqual(self.namespace_handshakes(second), expected)
        # And nothing attached itself meanwhile, for whoever was there before.
        requests(second, NEAR.v4, PORT, CONNECTIONS)
        self.assertEqual(bool(own_filters(DEVICE)), add_second)
        self.assertEqual(self.namespace_handshakes(first), seen)
        second.delete(add_second)

    def test_with_del_and_add_da(self):
        self.two_in_turn(True, True)

    def test_with_add_alone_a(self):
        self.two_in_turn(False, True)

    def test_with_del_alone_d(self):
        self.two_in_turn(True, False)

    def test_with_neither_n(self):
        self.two_in_turn(False, False)

    def test_daemon_was_down_meanwhile_down(self):
        self.two_in_turn(False, True, daemon_down=True)

    def test_daemon_was_down_and_the_plugin_was_not_called_downn(self):
        self.two_in_turn(False, False, daemon_down=True)


if __name__ == "__main__":
    unittest.main()
