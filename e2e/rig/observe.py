# SPDX-License-Identifier: Apache-2.0
"""What podrtt says of the traffic of a pod, and a capture of the same packets."""

import json
import subprocess

import node
from node import BIN, top

CAPTURE = "/run/capture.pcap"
STREAM = "/run/stream.json"
BUCKET = 2 ** (1 / 8)  # a bucket's upper bound over its lower one
WAKE_UP = 200e-6       # until a process gets a CPU


class Capture:
    """tcpdump on a device, for as long as the block lasts."""

    def __init__(self, device):
        self.command = ["tcpdump", "-i", device, "-w", CAPTURE, "-s", "160", "-B", "32768", "-U",
                        "--time-stamp-precision=nano", "tcp or icmp or icmp6 or udp port 53"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening" in line:
                return self
        raise AssertionError("tcpdump did not start")

    def __exit__(self, *_):
        node.time.sleep(1.2)  # tcpdump takes packets over once a second
        self.process.terminate()
        said = self.process.communicate()[1]
        assert "0 packets dropped by kernel" in said, said


class Stream:
    """podrttd stream, for as long as the block lasts."""

    def __enter__(self):
        self.process = subprocess.Popen([BIN / "podrttd", "stream"], stdout=open(STREAM, "w", encoding="ascii"))
        node.time.sleep(0.3)
        return self

    def __exit__(self, *_):
        node.time.sleep(0.3)
        self.process.terminate()
        assert self.process.wait(10) == 0

    @staticmethod
    def events(pod, *kinds):
        """With times in seconds."""
        with open(STREAM, encoding="ascii") as lines:
            return [event | {name: event[name] * 1e-9 for name in ("timestamp", "rtt", "min_rtt")}
                    for event in map(json.loads, lines) if event["pod"] == pod.name and event.get("kind") in kinds]

    @staticmethod
    def samples(pod):
        """Times of round trips, by (source, port, destination, port, number) of the ACK, with the kind."""
        return {(e["src_ip"], e["src_port"], e["dest_ip"], e["dest_port"], e["ack"]): (e["rtt"], e["kind"])
                for e in Stream.events(pod, "data", "handshake")}


def measured(pod, leg, kind):
    return next(s for s in top() if (s["pod"], s["leg"], s["kind"]) == (pod.name, leg, kind))
