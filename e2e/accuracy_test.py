# SPDX-License-Identifier: Apache-2.0
"""What podrtt measures, against tshark on a capture of the same packets at the same veth,
and against the log of a delay line. Run by e2e/isolate."""

import statistics
import subprocess
import sys
import unittest

import line_log
import node
from node import ROOT, Chain, Daemon, Peer, Pod, in_netns, run, top

TRAFFIC = [sys.executable, ROOT / "e2e/traffic.py"]
PORT = 8080
BUCKET = 2 ** (1 / 8)
CAPTURE = "/run/capture.pcap"
LINE_LOG = "/run/line.log"


def setUpModule():
    node.prepare()


def serve(netns):
    server = subprocess.Popen(in_netns(netns, *TRAFFIC, "serve", PORT), stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"


class Capture:
    """tcpdump on a device, for as long as the block lasts."""

    def __init__(self, device):
        self.command = ["tcpdump", "-i", device, "-w", CAPTURE, "-s", "160", "-B", "32768", "-U",
                        "--time-stamp-precision=nano", "tcp"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening" in line:
                return self
        raise AssertionError("tcpdump did not start")

    def __exit__(self, *_):
        node.time.sleep(0.5)
        self.process.terminate()
        said = self.process.communicate()[1]
        assert "0 packets dropped by kernel" in said, said


def tshark_rtts(pod_address, leg):
    """tcp.analysis.ack_rtt of the capture, by (leg, kind): of data, and of handshakes."""
    field = "dst" if leg == "network" else "src"  # of the packet that carries the ACK
    family = "ipv6" if ":" in pod_address else "ip"
    found = {"data": [], "handshake": []}
    lines = run("tshark", "-r", CAPTURE, "-o", "tcp.relative_sequence_numbers:false", "-T", "fields",
                "-e", "tcp.analysis.ack_rtt", "-e", "tcp.analysis.acks_frame", "-e", "frame.number", "-e", "tcp.flags",
                "-Y", f"{family}.{field} == {pod_address} && tcp.analysis.ack_rtt").splitlines()
    flags = dict(line.split("\t") for line in
                 run("tshark", "-r", CAPTURE, "-T", "fields", "-e", "frame.number", "-e", "tcp.flags").splitlines())
    lengths = dict(line.split("\t") for line in
                   run("tshark", "-r", CAPTURE, "-T", "fields", "-e", "frame.number", "-e", "tcp.len").splitlines())
    for line in lines:
        rtt, acked, *_ = line.split("\t")
        if int(flags[acked], 16) & 2:
            found["handshake"].append(float(rtt))
        elif int(lengths[acked]):
            found["data"].append(float(rtt))
    return found


def measured(pod, leg, kind):
    return next(s for s in top() if (s["pod"], s["leg"], s["kind"]) == (pod.name, leg, kind))


class AgainstTshark(unittest.TestCase):
    """Every acknowledgement of exactly one segment is a sample for tshark; with no more
    than four segments outstanding, and none sent again, for podrtt too."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon("--grace-period", "1")
        far = Peer("tap", 202)
        far.connect_by_delay_line(1000, LINE_LOG)
        serve("tap")
        cls.far = far

    @classmethod
    def tearDownClass(cls):
        cls.far.disconnect()
        cls.daemon.stop()

    def compare(self, name, address):
        for attempt in range(3):
            pod = Pod(Chain(), "oracle", f"{name}-{attempt}").create()
            with Capture(pod.host_veth):
                self.assertEqual(pod.popen(*TRAFFIC, "requests", address, PORT, 10, 20).wait(60), 0)
            if pod.syn_retransmits() == 0:  # for tshark such a handshake is a sample
                break
            pod.delete()
        own = pod.v6 if ":" in address else pod.v4
        for leg in ("network", "pod"):
            for kind, rtts in tshark_rtts(own, leg).items():
                mine = measured(pod, leg, kind)
                self.assertEqual(mine["samples"], len(rtts), f"{leg} {kind}")
                # The capture's tap and the programs look at different moments of a
                # packet's way through the veth, some µs apart.
                self.assertAlmostEqual(mine["sum_seconds"] / len(rtts), statistics.mean(rtts), delta=15e-6,
                                       msg=f"{leg} {kind}")
        pod.delete()

    def test_requests_over_ipv4(self):
        self.compare("ipv4", self.far.v4)

    def test_requests_over_ipv6(self):
        self.compare("ipv6", self.far.v6)


class AgainstDelayLine(unittest.TestCase):
    def test_median_is_the_lines_own(self):
        daemon = Daemon("--grace-period", "1")
        for number, delay_us in enumerate((1000, 5000, 25000)):
            with self.subTest(delay_us=delay_us):
                far = Peer(f"far{number}", 210 + number)
                far.connect_by_delay_line(delay_us, LINE_LOG)
                serve(far.name)
                pod = Pod(Chain(), "line", f"delayed-{delay_us}").create()
                for address in (far.v4, far.v6):
                    self.assertEqual(pod.popen(*TRAFFIC, "requests", address, PORT, 5, 10).wait(60), 0)
                far.disconnect()
                for kind in ("data", "handshake"):
                    logged = statistics.median(line_log.round_trips(LINE_LOG, kind))
                    ratio = measured(pod, "network", kind)["p50_seconds"] / logged
                    self.assertTrue(1 / BUCKET < ratio < BUCKET, f"{kind}: {ratio:.3f} of {logged * 1e3:.2f} ms")
                pod.delete()
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
