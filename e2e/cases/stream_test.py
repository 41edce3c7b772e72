# SPDX-License-Identifier: Apache-2.0
"""podrttd stream with real pods under traffic: its forms, its filters, and how it ends. Run by e2e/rig/isolate."""

import json
import re
import signal
import subprocess
import tempfile
import time
import unittest

import node
from node import BIN, TRAFFIC, Chain, Daemon, Pod, in_netns, near_server, requests, run, wait_until

PORT = 8080
# What ePPing's JSON has, and what podrtt adds.
EPPING = {"timestamp", "src_ip", "src_port", "dest_ip", "dest_port", "protocol", "rtt", "min_rtt", "sent_packets", "sent_bytes",
          "rec_packets", "rec_bytes", "match_on_egress"}
OWN = {"namespace", "pod", "leg", "kind", "peer", "ack"}
# The same of connections that open and close.
EPPING_FLOW = {"timestamp", "src_ip", "src_port", "dest_ip", "dest_port", "protocol", "flow_event", "reason", "triggered_by"}
OWN_FLOW = {"namespace", "pod", "peer"}


class StreamTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        node.prepare()
        cls.daemon = Daemon("--grace-period", "1", "--icmp")
        cls.near = near_server(PORT)
        chain = Chain()
        cls.web, cls.other = Pod(chain, "shop", "web").create(), Pod(chain, "data", "other").create()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def read(self, *options, connections=2, count=3):
        """What is printed while both pods send requests."""
        reader = subprocess.Popen([BIN / "podrttd", "stream", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(self.is_switched_on, "events are reported")
        for pod in (self.web, self.other):
            requests(pod, self.near.v4, PORT, connections, count)
        time.sleep(0.3)
        reader.terminate()
        text, notes = reader.communicate(timeout=10)
        self.assertEqual(reader.returncode, 0)
        return text, notes

    @staticmethod
    def is_switched_on():
        settings = json.loads(run("bpftool", "-j", "map", "dump", "pinned", node.PINS / "settings"))
        until = settings[0]["formatted"]["value"] if "formatted" in settings[0] else int.from_bytes(
            bytes(int(byte, 16) for byte in settings[0]["value"]), "little")
        return until > time.monotonic_ns()

    def events(self, *options, **traffic):
        return [json.loads(line) for line in self.read(*options, **traffic)[0].splitlines()]

    def test_json_has_the_fields_of_epping(self):
        everything = self.events()
        events = [event for event in everything if "rtt" in event]
        self.assertTrue(events)
        for event in everything:
            if event not in events:
                self.assertEqual(set(event), EPPING_FLOW | OWN_FLOW)
        for event in events:
            self.assertEqual(set(event), EPPING | OWN)
            for name in ("timestamp", "rtt", "min_rtt", "sent_packets", "sent_bytes", "rec_packets", "rec_bytes"):
                self.assertIsInstance(event[name], int)
        handshake = next(event for event in events if (event["pod"], event["leg"], event["kind"]) == ("web", "network", "handshake"))
        # The SYN-ACK's sender is the source.
        self.assertEqual((handshake["src_ip"], handshake["src_port"], handshake["dest_ip"]), (self.near.v4, PORT, self.web.v4))
        self.assertLess(abs(handshake["timestamp"] - time.time_ns()), 60e9)
        listed = json.loads(self.read("-F", "json")[0])
        self.assertEqual({frozenset(event) for event in listed}, {frozenset(EPPING | OWN), frozenset(EPPING_FLOW | OWN_FLOW)})

    def test_connections_that_open_and_close(self):
        events = [(event["flow_event"], event["reason"], event["src_ip"]) for event in self.events("--kind", "flow", "--pod", "web", connections=1)]
        self.assertEqual(events, [("opening", "SYN-ACK", self.near.v4), ("closing", "FIN", self.web.v4), ("closing", "FIN", self.near.v4)])
        text, _ = self.read("-F", "standard", "--kind", "flow", "--pod", "web", connections=1)
        flow = rf"{re.escape(self.near.v4)}:{PORT}\+{re.escape(self.web.v4)}:\d+"
        self.assertRegex(text.splitlines()[0], rf"^\d\d:\d\d:\d\d\.\d{{9}} TCP {flow} opening due to SYN-ACK from src shop/web$")

    def test_text_is_that_of_epping(self):
        flow = rf"{re.escape(self.near.v4)}:{PORT}\+{re.escape(self.web.v4)}:\d+"
        text, _ = self.read("-F", "standard", "--pod", "web", "--leg", "network", "--kind", "handshake")
        for line in text.splitlines():
            self.assertRegex(line, rf"^\d\d:\d\d:\d\d\.\d{{9}} \d+\.\d{{6}} ms \d+\.\d{{6}} ms TCP {flow} shop/web network handshake$")
        text, _ = self.read("-F", "ppviz", "--pod", "web", "--leg", "network", "--kind", "handshake")
        self.assertEqual(len(text.splitlines()), 2)
        for line in text.splitlines():
            self.assertRegex(line, rf"^\d+\.\d{{9}} \d+\.\d{{9}} \d+\.\d{{9}} {flow}$")

    def test_echo_of_both_families_has_its_name(self):
        reader = subprocess.Popen([BIN / "podrttd", "stream", "--kind", "echo", "--count", "2"], stdout=subprocess.PIPE, text=True)
        wait_until(self.is_switched_on, "events are reported")
        for address in (self.near.v4, self.near.v6):
            run(*in_netns(self.web.netns, *TRAFFIC, "ping", address, 1))
        text, _ = reader.communicate(timeout=20)
        self.assertEqual([json.loads(line)["protocol"] for line in text.splitlines()], ["ICMP", "ICMPv6"])

    def test_filters(self):
        self.assertEqual({event["namespace"] for event in self.events("--namespace", "data")}, {"data"})
        self.assertEqual({event["leg"] for event in self.events("--leg", "pod")}, {"pod"})
        self.assertEqual({event["kind"] for event in self.events("--kind", "connect,response")}, {"connect", "response"})
        self.assertEqual(self.events("--peer", "internet"), [])
        self.assertEqual(self.events("--cidr", "192.0.2.0/24"), [])
        self.assertTrue(self.events("--cidr", f"{self.near.v4}/32", "--port", str(PORT)))
        self.assertEqual(self.events("--port", "443"), [])
        self.assertEqual(self.events("--slower-than", "10s"), [])

    def test_ends_by_itself(self):
        self.assertEqual(len(self.events("--count", "3")), 3)
        done = subprocess.run([BIN / "podrttd", "stream", "--duration", "1s"], capture_output=True, text=True, check=True, timeout=20)
        self.assertEqual(done.stderr, "")

    def test_says_what_was_left_out(self):
        text, notes = self.read("--rate", "5", connections=20, count=20)
        self.assertLess(len(text.splitlines()), 100)
        self.assertRegex(notes, r"left out \d+ events beyond the rate")

    def test_several_read_at_once(self):
        """And who is stopped keeps nothing from the others."""
        command = [BIN / "podrttd", "stream", "--kind", "rtt,response"]
        with tempfile.TemporaryFile() as first, tempfile.TemporaryFile() as second:
            quick = [subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE) for out in (first, second)]
            slow = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(0.5)
            slow.send_signal(signal.SIGSTOP)
            requests(self.web, self.near.v4, PORT, 10, 500)
            time.sleep(0.5)
            for reader in quick:
                reader.terminate()
                self.assertEqual(reader.communicate(timeout=10)[1], b"")
            slow.send_signal(signal.SIGCONT)
            slow.terminate()
            self.assertRegex(slow.communicate(timeout=10)[1].decode(), r"lost \d+ events: the reader was too slow")
            read = []
            for out in (first, second):
                out.seek(0)
                # Each has the time by its own look at two clocks.
                read.append([{**json.loads(line), "timestamp": 0} for line in out])
            self.assertGreater(len(read[0]), 5000)
            self.assertTrue(read[0] == read[1], "both have the same")  # without a diff of megabytes

    def test_one_that_ends_leaves_the_others_theirs(self):
        stays = subprocess.Popen([BIN / "podrttd", "stream", "--pod", "web", "--kind", "handshake", "--leg", "network", "--count", "3"],
                                 stdout=subprocess.PIPE, text=True)
        self.assertEqual(len(self.events("--pod", "web", "--leg", "network", "--kind", "handshake", connections=2)), 2)
        self.assertTrue(self.is_switched_on())
        requests(self.web, self.near.v4, PORT, 1, 1)
        self.assertEqual(len(stays.communicate(timeout=20)[0].splitlines()), 3)

    def test_killed_leaves_the_data_path_off(self):
        reader = subprocess.Popen([BIN / "podrttd", "stream"], stdout=subprocess.DEVNULL)
        wait_until(self.is_switched_on, "events are reported")
        reader.kill()
        reader.wait()
        requests(self.web, self.near.v4, PORT, 1, 1)  # which nobody reads
        wait_until(lambda: not self.is_switched_on(), "it is off again", 20)
        done = subprocess.run([BIN / "podrttd", "stream", "--duration", "1s"], capture_output=True, text=True, check=True, timeout=20)
        self.assertEqual(done.stdout, "")  # what was left is old


if __name__ == "__main__":
    unittest.main()
