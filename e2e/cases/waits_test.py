# SPDX-License-Identifier: Apache-2.0
"""The waits that an application feels, against the application's own log and against tshark on a capture at
the same veth. Run by e2e/rig/isolate."""

import re
import statistics
import subprocess
import unittest

import node
from node import TRAFFIC, Chain, Daemon, Peer, Pod, floats, in_netns, run, serve, serve_names
from observe import BUCKET, CAPTURE, WAKE_UP, Capture, Stream, measured

PORT = 8080
LINE_LOG = "/run/line.log"
LATER = 1e-3  # what a busy machine may put between two clocks


def setUpModule():
    node.prepare()


def assert_felt(case, mine, theirs, least):
    """No time is shorter than the line's own; and the median no longer than the application's, which waits for
    a CPU as well."""
    case.assertEqual(len(mine), len(theirs))
    case.assertGreater(min(mine), least)
    case.assertLess(statistics.median(mine), statistics.median(theirs) * BUCKET + WAKE_UP)


def value_of(text, series):
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def sum_of(text, family, labels):
    """Of all peers."""
    return sum(map(float, re.findall(rf"^{family}{{{labels},[^}}]*}} (\S+)$", text, re.MULTILINE)))


class Segments:
    """The TCP segments of the capture, as tshark reads them, and which of them are sent again."""

    def __init__(self):
        fields = ("frame.time_epoch", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.seq", "tcp.len", "tcp.ack",
                  "tcp.flags", "tcp.analysis.retransmission", "tcp.analysis.fast_retransmission",
                  "tcp.analysis.spurious_retransmission", "tcp.analysis.out_of_order")
        arguments = [word for name in fields for word in ("-e", name)]
        self.sent = {}    # of each sender: (time, first, end) of each segment
        self.again = {}   # of each sender: how many tshark takes for sent again; soon after the last, for overtaken
        for line in run("tshark", "-r", CAPTURE, "-o", "tcp.relative_sequence_numbers:false", "-T", "fields", *arguments,
                        "-Y", "tcp and ip").splitlines():
            time, source, sport, destination, dport, seq, length, _, flags, *again = line.split("\t")
            sender = (source, int(sport), destination, int(dport))
            virtual = (int(flags, 16) & 1) + (int(flags, 16) >> 1 & 1)
            if int(length) or virtual:
                end = (int(seq) + int(length) + virtual) % 2**32
                self.sent.setdefault(sender, []).append((float(time), int(seq), end))
                self.again[source] = self.again.get(source, 0) + any(again)

    def first_sendings(self, sender, ack, before):
        """When data was first sent that ends at or before ack, and was sent again before a time."""
        segments = [segment for segment in self.sent.get(sender, []) if segment[0] < before]
        found = {}
        for index, (time, _, end) in enumerate(segments):
            if (ack - end) % 2**32 < 2**31 and end not in found and any(
                    (end - first) % 2**32 < 2**31 and end != first and (last - end) % 2**32 < 2**31
                    for _, first, last in segments[index + 1:]):
                found[end] = time
        return found


class LostPackets(unittest.TestCase):
    """What losses cost, on a line that loses packets by a rule or by chance."""

    number = 231

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon("--grace-period", "1")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def far(self, delay_us, **line):
        LostPackets.number += 1
        far = Peer(f"far{LostPackets.number}", LostPackets.number)
        far.connect_by_delay_line(delay_us, LINE_LOG, **line)
        self.addCleanup(far.disconnect)
        serve(in_netns(far.name), PORT)
        far.wait_until_reached()
        return far

    def labels(self, pod, leg):
        return f'namespace="{pod.namespace}",pod="{pod.name}",leg="{leg}"'

    def test_connects_that_take_a_second(self):
        far = self.far(10000, lose_first_syn=True)
        pod = Pod(Chain(), "line", "connects").create()
        waits = floats(pod, "connects", far.v4, PORT, 5)
        self.assertGreater(min(waits), 1)
        connect = measured(pod, "network", "connect")
        self.assertEqual(connect["samples"], 5)
        text = self.daemon.metrics()
        label = self.labels(pod, "network")
        total = sum_of(text, "podrtt_tcp_connect_seconds_sum", label)
        print(f"five connects took {sum(waits):.4f} s, podrtt says {total:.4f} s")
        self.assertLess(abs(total - sum(waits)), 0.05)
        self.assertTrue(min(waits) / BUCKET < connect["p50_seconds"] < max(waits) * BUCKET)
        for result, count in (("begun", 5), ("answered", 5), ("refused", 0)):
            self.assertIn(f'podrtt_pod_connects_total{{{label},result="{result}"}} {count}\n', text)
        self.assertIn(f"podrtt_pod_resent_packets_total{{{label}}} 5\n", text)
        # Nobody listens; then nobody is there.
        for port, result in ((9, "refused"), (PORT, None)):
            if result is None:
                run(*in_netns(far.name, "ip", "link", "set", "eth0", "down"))
            client = pod.popen("busybox", "nc", "-w", "2", far.v4, port, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.assertNotEqual(client.wait(30), 0)
        text = self.daemon.metrics()
        for result, count in (("begun", 7), ("answered", 5), ("refused", 1)):
            self.assertIn(f'podrtt_pod_connects_total{{{label},result="{result}"}} {count}\n', text)
        pod.delete()

    def test_each_tenth_request_is_lost(self):
        far = self.far(2000, lose_each=10)
        pod = Pod(Chain(), "line", "requests").create()
        with Stream():
            waits = floats(pod, "timed", far.v4, PORT, 1, 100)
        slow = [wait for wait in waits if wait > 0.2]
        self.assertGreater(len(slow), 9)
        label = self.labels(pod, "network")
        text = self.daemon.metrics()
        responses = [event["rtt"] for event in Stream.events(pod, "response")]
        recoveries = [event["rtt"] for event in Stream.events(pod, "recovery")]
        print(f"{len(slow)} of 100 answers took over 200 ms; responses: {sum(r > 0.2 for r in responses)} of {len(responses)}, "
              f"recoveries: {len(recoveries)}; application {sum(waits):.4f} s, podrtt {sum(responses):.4f} s")
        self.assertEqual(len(responses), 100)
        self.assertEqual(sum(response > 0.2 for response in responses), len(slow))
        assert_felt(self, responses, waits, 0.004)
        for mine, theirs in zip(sorted(responses)[-len(slow):], sorted(slow)):
            self.assertTrue(0.9 * theirs < mine < 1.1 * theirs, f"{mine}, not {theirs}")
        # Whatever was lost was sent again: what took over 200 ms, and what a tail loss probe has saved.
        self.assertGreaterEqual(len(recoveries), len(slow))
        self.assertEqual(sum(recovery > 0.2 for recovery in recoveries), len(slow))
        self.assertAlmostEqual(sum_of(text, "podrtt_tcp_response_seconds_sum", label), sum(responses), places=6)
        self.assertAlmostEqual(sum_of(text, "podrtt_tcp_recovery_seconds_sum", label), sum(recoveries), places=6)
        pod.delete()

    def compare_recoveries(self, name, *traffic, **line):
        far = self.far(1000, jitter_us=200, **line)
        pod = Pod(Chain(), "line", name).create()
        with Capture(pod.host_veth), Stream():
            self.assertEqual(pod.popen(*TRAFFIC, *[far.v4 if word == "FAR" else word for word in traffic],
                                       stdout=subprocess.DEVNULL).wait(120), 0)
        segments = Segments()
        events = Stream.events(pod, "recovery")
        for event in events:
            sender = (event["dest_ip"], event["dest_port"], event["src_ip"], event["src_port"])
            starts = segments.first_sendings(sender, event["ack"], event["timestamp"] + LATER)
            # What no slot has watched is known to a jiffy.
            apart = min((abs(event["timestamp"] - event["rtt"] - start) for start in starts.values()), default=9)
            self.assertLess(apart, 11e-3, f"{event} is invented: {starts}")
        resent = {leg: value_of(self.daemon.metrics(), f"podrtt_pod_resent_packets_total{{{self.labels(pod, leg)}}}")
                  for leg in ("network", "pod")}
        print(f"{name}: {len(events)} recoveries; sent again: podrtt {resent}, tshark {segments.again}")
        pod.delete()
        return events, resent, {"network": segments.again.get(pod.v4, 0), "pod": segments.again.get(far.v4, 0)}, segments

    def test_requests_by_chance(self):
        events, resent, again, _ = self.compare_recoveries("chance", "requests", "FAR", PORT, 10, 30, loss_permille=30)
        self.assertGreater(len(events), 3)
        self.assertGreater(resent["network"], 0)
        # The pod's own packets pass in order; tshark takes some of the peer's for overtaken, and podrtt, too.
        self.assertAlmostEqual(resent["network"], again["network"], delta=2 + 0.1 * again["network"])

    def test_bulk_by_chance(self):
        _, resent, again, _ = self.compare_recoveries("bulk", "bulk", "FAR", PORT, 5_000_000, loss_permille=10)
        self.assertGreater(resent["network"], 0)
        self.assertAlmostEqual(resent["network"], again["network"], delta=5 + 0.2 * again["network"])

    def test_no_loss_is_no_recovery(self):
        events, resent, _, _ = self.compare_recoveries("whole", "requests", "FAR", PORT, 5, 50)
        self.assertEqual((len(events), resent), (0, {"network": 0, "pod": 0}))


class Responses(unittest.TestCase):
    """Over a line without loss: each request's wait, in both roles."""

    def test_waits_are_those_of_the_application(self):
        daemon = Daemon("--grace-period", "1")
        far = Peer("far", 240)
        far.connect_by_delay_line(5000, LINE_LOG, jitter_us=2000)
        serve(in_netns(far.name), PORT)
        far.wait_until_reached()
        pod = Pod(Chain(), "line", "client").create()
        waits = sorted(floats(pod, "timed", far.v4, PORT, 4, 50) + floats(pod, "timed", far.v6, PORT, 4, 50))
        response = measured(pod, "network", "response")
        print(f"application p50 {statistics.median(waits) * 1e3:.2f} ms, podrtt {response['p50_seconds'] * 1e3:.2f} ms")
        self.assertEqual(response["samples"], len(waits))
        self.assertTrue(0.01 / BUCKET < response["p50_seconds"] < statistics.median(waits) * BUCKET + WAKE_UP)
        pod.delete()

        server = Pod(Chain(), "line", "server").create()
        serve(in_netns(server.netns), PORT)
        run(*in_netns(far.name, *TRAFFIC, "requests", server.v4, PORT, 4, 50))
        served = measured(server, "pod", "response")
        self.assertEqual(served["samples"], 200)
        self.assertLess(served["p50_seconds"], response["p50_seconds"])  # the way is not in it
        far.disconnect()
        server.delete()
        daemon.stop()


class Names(unittest.TestCase):
    """DNS, against tshark's dns.time and the application."""

    def test_waits_are_tsharks_and_the_applications(self):
        daemon = Daemon("--grace-period", "1")
        far = Peer("resolver", 241)
        far.connect_by_delay_line(2000, LINE_LOG)
        server = serve_names(in_netns(far.name))
        far.wait_until_reached()
        pod = Pod(Chain(), "line", "resolving").create()
        with Capture(pod.host_veth), Stream():
            waits = [wait for address in (far.v4, far.v6) for name, count in
                     (("www", 30), ("slow", 5), ("failing", 3), ("lost", 2)) for wait in floats(pod, "resolve", address, name, count)]
        mine = [(event["src_port"], event["ack"], event["rtt"]) for event in Stream.events(pod, "dns")]
        self.assertEqual(len(mine), 80)
        self.assertEqual({port for port, _, _ in mine}, {53})
        times = [rtt for _, _, rtt in mine]
        assert_felt(self, times, waits, 0.004)
        self.assertEqual(sum(time > 0.3 for time in times), 4)
        self.assertGreaterEqual(sum(time > 0.054 for time in times), 14)
        tshark = sorted(map(float, run("tshark", "-r", CAPTURE, "-T", "fields", "-e", "dns.time", "-Y", "dns.time").split()))
        # tshark counts a query that is sent again from the last, or the first, by version: those it has alone.
        quick = sorted(rtt for _, _, rtt in mine if rtt < 0.2)
        apart = [abs(one - other) for one, other in zip(quick, [time for time in tshark if time < 0.2])]
        print(f"{len(mine)} answers; {len(apart)} of tshark's, apart by {max(apart) * 1e6:.0f} µs at most")
        self.assertEqual(len(apart), 76)
        self.assertLess(statistics.median(apart), 80e-6)
        text = daemon.metrics()
        label = 'namespace="line",pod="resolving",leg="network"'
        self.assertEqual(value_of(text, f"podrtt_pod_dns_queries_total{{{label}}}"), 80)
        for rcode, count in (("NOERROR", 74), ("SERVFAIL", 6), ("NXDOMAIN", 0)):
            self.assertEqual(value_of(text, f'podrtt_pod_dns_answers_total{{{label},rcode="{rcode}"}}'), count)
        pod.delete()

        # The same server as a pod.
        cluster = Pod(Chain(), "line", "coredns").create()
        served = serve_names(in_netns(cluster.netns))
        felt = [float(wait) for wait in run(*in_netns(far.name, *TRAFFIC, "resolve", cluster.v4, "slow", 5)).split()]
        answers = measured(cluster, "pod", "dns")
        self.assertEqual(answers["samples"], 5)
        # The server answers after 50 ms, when it gets a CPU; the resolver has the line's 4 ms more.
        self.assertTrue(0.05 / BUCKET < answers["p50_seconds"] < statistics.median(felt) * BUCKET)
        for process in (server, served):
            process.kill()
        far.disconnect()
        cluster.delete()
        daemon.stop()

    def test_off_it_is_not_measured(self):
        daemon = Daemon("--grace-period", "1", "--no-dns")
        cluster = Pod(Chain(), "line", "coredns").create()
        served = serve_names(in_netns(cluster.netns))
        run(*TRAFFIC, "resolve", cluster.v4, "www", 2)
        self.assertNotIn("dns_queries", daemon.metrics())
        served.kill()
        cluster.delete()
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
