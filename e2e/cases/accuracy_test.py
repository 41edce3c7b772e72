# SPDX-License-Identifier: Apache-2.0
"""What podrtt measures, against tshark on a capture of the same packets at the same veth,
and against the log of a delay line. Run by e2e/rig/isolate."""

import statistics
import subprocess
import unittest

import line_log
import node
from node import TRAFFIC, Chain, Daemon, Peer, Pod, in_netns, run, serve
from observe import BUCKET, CAPTURE, WAKE_UP, Capture, Stream, measured

PORT = 8080
LINE_LOG = "/run/line.log"
SYN = 2


def setUpModule():
    node.prepare()


def tshark_samples():
    """tcp.analysis.ack_rtt of the capture, by (source, port, destination, port, number) of the
    ACK, with the kind; without those of FINs alone."""
    def fields(*names, of=None):
        arguments = [word for name in names for word in ("-e", name)]
        lines = run("tshark", "-r", CAPTURE, "-o", "tcp.relative_sequence_numbers:false", "-T", "fields",
                    "-E", "occurrence=f", *arguments, *(("-Y", of) if of else ())).splitlines()
        return [line.split("\t") for line in lines]

    acked = {number: (int(flags, 16), int(length)) for number, flags, length in
             fields("frame.number", "tcp.flags", "tcp.len", of="tcp")}
    samples = {}
    for v4, v6, sport, d4, d6, dport, ack, frame, rtt in fields(
            "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tcp.ack",
            "tcp.analysis.acks_frame", "tcp.analysis.ack_rtt", of="tcp.analysis.ack_rtt"):
        flags, length = acked[frame]
        if flags & SYN or length:
            key = (v4 or v6, int(sport), d4 or d6, int(dport), int(ack))
            # The first one: data sent again may be acknowledged again, by the same number.
            samples.setdefault(key, (float(rtt), "handshake" if flags & SYN else "data"))
    return samples


class AgainstTshark(unittest.TestCase):
    """Every acknowledgement of exactly one segment is a sample for tshark; with no more
    than three segments outstanding, and none sent again, for podrtt too."""

    line = {}
    number = 202

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon("--grace-period", "1", "--icmp", "--sample-interval", "0")
        AgainstTshark.number += 1
        cls.far = Peer(f"tap{AgainstTshark.number}", AgainstTshark.number)
        cls.far.connect_by_delay_line(1000, LINE_LOG, **cls.line)
        serve(in_netns(cls.far.name), PORT)

    @classmethod
    def tearDownClass(cls):
        cls.far.disconnect()
        cls.daemon.stop()

    def observe(self, name, *traffic):
        """Runs traffic in a new pod. Returns the pod, tshark's samples and podrtt's."""
        for attempt in range(3):
            pod = Pod(Chain(), "oracle", f"{name}-{attempt}").create()
            with Capture(pod.host_veth), Stream():
                self.assertEqual(pod.popen(*TRAFFIC, *traffic, stdout=subprocess.DEVNULL).wait(60), 0)
            if self.line or pod.syn_retransmits() == 0:  # for tshark such a handshake is a sample
                break
            pod.delete()
        return pod, tshark_samples(), Stream.samples(pod)

    def assert_close(self, mine, theirs):
        # The capture's clock is read when a packet is queued for the veth's receiving end,
        # the programs' when it is taken from there: some µs, more on a busy machine.
        apart = sorted(abs(mine[key][0] - theirs[key][0]) for key in mine)
        print(f"{len(apart)} samples, from tshark's apart by {statistics.median(apart) * 1e6:.1f} µs (median), "
              f"{apart[-1] * 1e6:.1f} µs (most)")
        self.assertLess(statistics.median(apart), 80e-6)
        self.assertLess(apart[int(len(apart) * 0.99)], 1e-3)

    def compare(self, name, address, kind="requests"):
        pod, theirs, mine = self.observe(name, kind, address, PORT, 10, 20)
        self.assertEqual(mine.keys(), theirs.keys())
        self.assertEqual({key: kind for key, (_, kind) in mine.items()},
                         {key: kind for key, (_, kind) in theirs.items()})
        self.assert_close(mine, theirs)

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

    def test_requests_in_two_writes(self):
        self.compare("split", self.far.v4, "split")

    def test_bulk(self):
        """Of bulk data podrtt watches a part; each of its samples is one of tshark's."""
        pod, theirs, mine = self.observe("bulk", "bulk", self.far.v4, PORT, 20_000_000)
        self.assertGreater(len(mine), 5)
        self.assertLessEqual(mine.keys(), theirs.keys())
        self.assert_close(mine, theirs)
        pod.delete()

    def test_echo(self):
        pod = Pod(Chain(), "oracle", "echo").create()
        with Capture(pod.host_veth):
            for address in (self.far.v4, self.far.v6):
                self.assertEqual(run(*in_netns(pod.netns, *TRAFFIC, "ping", address, 20)), "20\n")
        theirs = [float(ms) * 1e-3 for line in run("tshark", "-r", CAPTURE, "-T", "fields", "-e", "icmp.resptime", "-e",
                                                   "icmpv6.resptime").splitlines() for ms in line.split()]
        mine = measured(pod, "network", "echo")
        self.assertEqual((mine["samples"], len(theirs)), (40, 40))
        self.assertAlmostEqual(mine["sum_seconds"] / 40, sum(theirs) / 40, delta=50e-6)
        self.assertRegex(self.daemon.metrics(), 'podrtt_icmp_rtt_seconds_count{.*pod="echo",leg="network",.*} 40')
        pod.delete()


class WithLoss(AgainstTshark):
    """The same over a line that loses three of a hundred frames, and holds them unequally."""

    line = {"jitter_us": 500, "loss_permille": 30}

    def compare(self, name, address, kind="requests"):
        pod, theirs, mine = self.observe(f"{name}-lossy", kind, address, PORT, 10, 20)
        self.assertGreater(len(mine), 200)
        self.assertLessEqual(mine.keys(), theirs.keys())
        # tshark takes the first of several SYNs, podrtt the one that was answered.
        self.assert_close({key: sample for key, sample in mine.items() if sample[1] == "data"}, theirs)
        pod.delete()

    def test_bulk(self):
        pod, theirs, mine = self.observe("bulk-lossy", "bulk", self.far.v4, PORT, 20_000_000)
        self.assertGreater(len(mine), 2)
        self.assertLessEqual(mine.keys(), theirs.keys())
        self.assert_close(mine, theirs)
        pod.delete()

    test_echo = None


class AgainstDelayLine(unittest.TestCase):
    """The median of the network leg is the line's own."""

    LINES = [  # delay in each direction, jitter, loss: µs, µs, of a thousand
        (200, 0, 0), (1000, 0, 0), (5000, 0, 0), (25000, 0, 0), (100000, 0, 0), (400000, 0, 0),
        (200, 40, 10), (1000, 200, 10), (5000, 1000, 10), (25000, 5000, 10), (100000, 20000, 10), (400000, 80000, 0),
    ]

    def test_median_is_the_lines_own(self):
        daemon = Daemon("--grace-period", "1", "--sample-interval", "0")
        for number, (delay_us, jitter_us, loss_permille) in enumerate(self.LINES):
            with self.subTest(delay_us=delay_us, jitter_us=jitter_us, loss_permille=loss_permille):
                far = Peer(f"far{number}", 210 + number)
                far.connect_by_delay_line(delay_us, LINE_LOG, jitter_us, loss_permille)
                serve(in_netns(far.name), PORT)
                for address in (far.v4, far.v6):  # so that no SYN waits for a neighbour's address
                    run(*TRAFFIC, "ping", address, 1)
                pod = Pod(Chain(), "line", f"delayed-{number}").create()
                count = 5 if delay_us >= 100000 else 10
                traffic = [pod.popen(*TRAFFIC, "parallel", address, PORT, 10, count, stdout=subprocess.PIPE, text=True)
                           for address in (far.v4, far.v6)]
                kernels = [int(rtt) * 1e-6 for process in traffic for rtt in process.communicate(timeout=60)[0].split()]
                far.disconnect()
                for kind in ("data", "handshake"):
                    logged = statistics.median(line_log.round_trips(LINE_LOG, kind))
                    self.assert_near(measured(pod, "network", kind)["p50_seconds"], logged, f"{kind}, the line's log")
                if not jitter_us and delay_us >= 5000:  # the kernel's own smoothed RTT: no bulk, no loss
                    self.assert_near(measured(pod, "network", "data")["p50_seconds"], statistics.median(kernels),
                                     "data, tcp_info")
                pod.delete()
        daemon.stop()

    def assert_near(self, mine, theirs, what):
        # Within a bucket; and the line's log begins when it reads a frame, which waits for a CPU before.
        self.assertTrue(theirs / BUCKET < mine < theirs * BUCKET + WAKE_UP,
                        f"{what}: {mine * 1e3:.2f} ms, not {theirs * 1e3:.2f} ms")


if __name__ == "__main__":
    unittest.main()
