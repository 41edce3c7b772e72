# SPDX-License-Identifier: Apache-2.0
"""What podrtt measures, against tshark on a capture of the same packets at the same veth,
and against the log of a delay line. Run by e2e/isolate."""

import json
import statistics
import subprocess
import sys
import unittest

import line_log
import node
from node import BIN, ROOT, Chain, Daemon, Peer, Pod, in_netns, run, top

TRAFFIC = [sys.executable, ROOT / "e2e/traffic.py"]
PORT = 8080
BUCKET = 2 ** (1 / 8)
CAPTURE = "/run/capture.pcap"
LINE_LOG = "/run/line.log"
STREAM = "/run/stream.json"
SYN = 2


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


def tshark_samples():
    """tcp.analysis.ack_rtt of the capture, by (source, port, destination, port, number) of the
    ACK, with the kind; without those of FINs alone."""
    def fields(*names, of=None):
        arguments = [word for name in names for word in ("-e", name)]
        lines = run("tshark", "-r", CAPTURE, "-o", "tcp.relative_sequence_numbers:false", "-T", "fields",
                    "-E", "occurrence=f", *arguments, *(("-Y", of) if of else ())).splitlines()
        return [line.split("\t") for line in lines]

    acked = {number: (int(flags, 16), int(length)) for number, flags, length in
             fields("frame.number", "tcp.flags", "tcp.len")}
    samples = {}
    for v4, v6, sport, d4, d6, dport, ack, frame, rtt in fields(
            "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tcp.ack",
            "tcp.analysis.acks_frame", "tcp.analysis.ack_rtt", of="tcp.analysis.ack_rtt"):
        flags, length = acked[frame]
        if flags & SYN or length:
            key = (v4 or v6, int(sport), d4 or d6, int(dport), int(ack))
            samples[key] = (float(rtt), "handshake" if flags & SYN else "data")
    return samples


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
    def samples(pod):
        """As tshark_samples has them."""
        with open(STREAM, encoding="ascii") as lines:
            events = [event for event in map(json.loads, lines) if event["pod"] == pod.name]
        return {(e["dest_ip"], e["dest_port"], e["src_ip"], e["src_port"], e["ack"]): (e["rtt"], e["kind"])
                for e in events}


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
            with Capture(pod.host_veth), Stream():
                self.assertEqual(pod.popen(*TRAFFIC, "requests", address, PORT, 10, 20).wait(60), 0)
            if pod.syn_retransmits() == 0:  # for tshark such a handshake is a sample
                break
            pod.delete()
        theirs, mine = tshark_samples(), Stream.samples(pod)
        self.assertEqual(mine.keys(), theirs.keys())
        self.assertEqual({key: kind for key, (_, kind) in mine.items()},
                         {key: kind for key, (_, kind) in theirs.items()})
        # The capture's clock is read when a packet is queued for the veth's receiving end,
        # the programs' when it is taken from there: some µs, more on a busy machine.
        apart = sorted(abs(mine[key][0] - theirs[key][0]) for key in mine)
        print(f"{len(apart)} samples, from tshark's apart by {statistics.median(apart) * 1e6:.1f} µs (median), "
              f"{apart[-1] * 1e6:.1f} µs (most)")
        self.assertLess(statistics.median(apart), 50e-6)
        self.assertLess(apart[int(len(apart) * 0.99)], 1e-3)

        # And the histograms hold these samples, no more and no fewer.
        for leg, sender in (("network", pod), ("pod", self.far)):
            for kind in ("data", "handshake"):
                rtts = [rtt for (_, _, source, *_), (rtt, of) in mine.items()
                        if of == kind and source in (sender.v4, sender.v6)]
                histogram = measured(pod, leg, kind)
                self.assertEqual(histogram["samples"], len(rtts))
                self.assertAlmostEqual(histogram["sum_seconds"], sum(rtts), places=8)
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
