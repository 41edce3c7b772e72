# SPDX-License-Identifier: Apache-2.0
"""Other people's captures pass through the programs, by the captures' own clocks, and each sample is compared
with what tshark says of the same packets. Fails if a sample is wrong, or if the ends of too few writes have
one. Run by hack/captures, inside e2e/rig/isolate."""

import argparse
import collections
import gzip
import itertools
import math
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from node import BIN

AGAIN = ("tcp.analysis.retransmission", "tcp.analysis.fast_retransmission", "tcp.analysis.spurious_retransmission",
         "tcp.analysis.out_of_order")
LOST = ("tcp.analysis.lost_segment", "tcp.analysis.ack_lost_segment")
FIELDS = ("frame.number", "frame.time_epoch", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport",
          "tcp.dstport", "udp.srcport", "udp.dstport", "tcp.stream", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.len",
          "tcp.analysis.ack_rtt", "tcp.analysis.acks_frame", *AGAIN, *LOST, "tcp.options.timestamp.tsval", "dns.time", "dns.id",
          "dns.flags.response")
OPTIONS = ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE")
# What podrtt measures: TCP and DNS, in VLANs and behind extension headers, but in no tunnel.
MEASURED = re.compile(r"(eth:ethertype(:vlan:ethertype){0,2}|raw|null|sll(:ethertype)?):(ip|ipv6(:ipv6\.\w+)*):(tcp(:|$)|udp:dns)")

SYN, RST, ACK = 0x02, 0x04, 0x10
UNIT = 64          # ns: a sample's time begins and ends with a unit of 32 ns
JIFFY = 1_000_000  # ns, of the clock that the programs are given
YEAR = 365 * 86400 * 10**9
SEGMENTS = ("1", "2", "3 to 20", "more")
LEAST = 0.95       # of the writes that tshark has an acknowledgement of, but of bulk, which is thinned
ENOUGH = 200       # samples of a leg, for its quantiles
BUCKET = 1 / 8     # of a histogram, as a power of 2


class Packet:
    def __init__(self, fields, pods):
        value = dict(zip(FIELDS, fields))
        number = lambda name, base=10: int(value[name] or "0", base)  # noqa: E731
        self.number, self.time = number("frame.number"), nanoseconds(value["frame.time_epoch"])
        self.tcp = bool(value["tcp.srcport"])
        protocol = "tcp" if self.tcp else "udp"
        source = value["ip.src"] or value["ipv6.src"], number(f"{protocol}.srcport")
        destination = value["ip.dst"] or value["ipv6.dst"], number(f"{protocol}.dstport")
        self.flags, self.length = number("tcp.flags", 16), number("tcp.len")
        self.seq, self.ack = number("tcp.seq_raw"), number("tcp.ack_raw")
        self.connection = self.tcp, *sorted((source, destination))
        # The pod is who begins: a client, or who asks for a name.
        begins = self.flags & (SYN | ACK) != SYN | ACK if self.tcp else source[1] != 53
        self.from_pod = source == pods.setdefault(self.connection, source if begins else destination)
        self.is_loop = source == destination
        self.stream = value["tcp.stream"]
        self.rtt = nanoseconds(value["tcp.analysis.ack_rtt"]) if value["tcp.analysis.ack_rtt"] else None
        self.acknowledged = number("tcp.analysis.acks_frame")
        self.again, self.lost = (any(value[name] for name in names) for names in (AGAIN, LOST))
        self.timestamps = bool(value["tcp.options.timestamp.tsval"])
        self.dns = nanoseconds(value["dns.time"]) if value["dns.time"] else None
        self.id, self.is_answer = value["dns.id"], value["dns.flags.response"] in ("1", "True")
        self.samples = []  # kind, leg, nanoseconds

    @property
    def end(self):
        return (self.seq + self.length) % 2**32


def nanoseconds(text):
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 10**9 + int(f"{fraction:0<9}"[:9])


def read(path):
    command = ["tshark", "-n", "-r", path, "-Y", "tcp or udp.port==53", "-T", "fields", "-E", "occurrence=f"]
    command += itertools.chain.from_iterable(("-o", option) for option in OPTIONS)
    command += itertools.chain.from_iterable(("-e", field) for field in FIELDS)
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    pods = {}
    lines = (line.split("\t") for line in text.splitlines())
    packets = [Packet(fields, pods) for fields in lines if MEASURED.match(fields[2]) and not fields[1].startswith("-")]
    return [packet for packet in packets if not packet.is_loop]


def replay(path, packets):
    by_number = {packet.number: packet for packet in packets}
    way = "".join(f"{packet.number} {'>' if packet.from_pod else '<'}\n" for packet in packets)
    done = subprocess.run([BIN / "replay", path], input=way, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip())
    for line in done.stdout.splitlines():
        number, kind, leg, ns = line.split("\t")
        by_number[int(number)].samples.append((kind, leg, int(ns)))


class Comparison:
    def __init__(self):
        self.captures = collections.Counter()
        self.samples = collections.Counter()  # by kind
        self.known = collections.Counter()    # the same, that tshark has a time for
        self.wrong = []
        # All, and with a sample, by whether the end went on sending before the acknowledgement.
        self.writes = {(goes_on, ts, size): [0, 0] for goes_on in (False, True) for ts in (True, False) for size in SEGMENTS}
        self.legs = []

    def add(self, path):
        if path.suffix == ".gz":
            with tempfile.TemporaryDirectory() as folder:
                plain = pathlib.Path(folder, path.stem)
                plain.write_bytes(gzip.decompress(path.read_bytes()))
                self.add(plain)
            return
        packets = read(path)
        if not packets:
            self.captures["without TCP and DNS"] += 1
        elif not all(0 <= later.time - packet.time < YEAR for packet, later in itertools.pairwise(packets)):
            self.captures["whose clock goes back, or by years"] += 1
        else:
            try:
                replay(path, packets)
            except ValueError as error:
                self.captures["that cannot be read whole"] += 1
                print(f"  {error}", file=sys.stderr)
                return
            self.captures["compared"] += 1
            self.compare(path, packets)

    def compare(self, path, packets):
        connections, streams, names = (collections.defaultdict(list) for _ in range(3))
        for packet in packets:
            if packet.tcp:
                connections[packet.connection].append(packet)
                streams[packet.stream].append(packet)
            else:
                names[packet.connection, packet.id].append(packet)
        for each in names.values():
            self.compare_names(path, each)
        for each in connections.values():
            self.compare_connection(path, each)
        for number, each in streams.items():
            self.count_writes(each)
            self.compare_quantiles(path, number, each)

    def judge(self, path, packet, kind, ns, expected, tolerance=UNIT):
        self.samples[kind] += 1
        if expected is None:
            return
        self.known[kind] += 1
        if not any(abs(ns - each) <= tolerance for each in expected):
            self.wrong.append(f"{path.name}, packet {packet.number}: {kind} of {ns} ns, not {expected}")

    def compare_names(self, path, packets):
        asked = None
        for packet in packets:
            if not packet.is_answer and asked is None:
                asked = packet.time  # the same query, sent again, counts from the first
            for kind, _, ns in packet.samples:
                self.judge(path, packet, kind, ns, [packet.time - asked] if asked is not None and packet.dns is not None else None)
            if packet.samples:
                asked = None

    def compare_connection(self, path, packets):
        sent = {True: {}, False: {}}  # when each end was sent first, by direction and sequence number
        syns = {True: {}, False: {}}
        for packet in packets:
            for kind, leg, ns in packet.samples:
                asking = leg == "network"
                if kind in ("data", "handshake"):
                    expected = None if packet.rtt is None else [packet.rtt]
                elif kind == "connect":
                    expected = [packet.time - time for time in syns[asking].values()]
                elif kind == "response":
                    asked = (sent[asking].get((packet.ack - fin) % 2**32) for fin in (0, 1))
                    expected = [packet.time - time for time in asked if time is not None]
                else:  # a recovery
                    expected = [packet.time - time for time in sent[asking].values()]
                self.judge(path, packet, kind, ns, expected, 2 * JIFFY if kind == "recovery" else UNIT)
            if packet.flags & RST:
                syns = {True: {}, False: {}}
            elif packet.flags & SYN and not packet.flags & ACK:
                syns[packet.from_pod].setdefault(packet.seq, packet.time)
            if packet.length:
                sent[packet.from_pod].setdefault(packet.end, packet.time)

    def count_writes(self, packets):
        """A write: what an end sends before the other sends any. Its last segment's acknowledgement must be a
        sample, unless something was sent again or is missing, or the connection is met with it."""
        opened = {packet.from_pod for packet in packets if packet.flags & SYN}
        ends = {}  # segments of writes, by the number of their last packet
        for from_pod, run in itertools.groupby((p for p in packets if p.length), key=lambda p: p.from_pod):
            run = list(run)
            if from_pod in opened:
                if not any(packet.again or packet.lost for packet in run):
                    ends[run[-1].number] = len(run)
            else:
                opened.add(from_pod)
        last = {}
        for packet in packets:
            if packet.acknowledged in ends and not (packet.lost or packet.again or packet.flags & RST):
                segments = ends.pop(packet.acknowledged)
                size = SEGMENTS[0 if segments == 1 else 1 if segments == 2 else 2 if segments <= 20 else 3]
                count = self.writes[last[not packet.from_pod] != packet.acknowledged, packet.timestamps, size]
                count[0] += 1
                count[1] += any(kind == "data" for kind, _, _ in packet.samples)
            if packet.length:
                last[packet.from_pod] = packet.number

    def compare_quantiles(self, path, number, packets):
        for from_pod in (True, False):
            of_tshark = sorted(p.rtt for p in packets if p.rtt is not None and p.from_pod != from_pod)
            ours = sorted(ns for p in packets for kind, _, ns in p.samples
                          if p.from_pod != from_pod and kind in ("data", "handshake"))
            if len(of_tshark) < ENOUGH or not ours:
                continue
            again = sum(p.again or p.lost for p in packets)
            apart = [math.log2(max(quantile(ours, q), 1) / max(quantile(of_tshark, q), 1)) for q in (0.5, 0.99)]
            self.legs.append((f"{path.name}, stream {number}", len(of_tshark), len(ours), again, apart))

    def print(self):
        print("\nCaptures: " + ", ".join(f"{count} {what}" for what, count in sorted(self.captures.items())))
        print("\n  samples      of podrtt  that tshark has a time for")
        for kind, count in sorted(self.samples.items()):
            print(f"  {kind:10} {count:11,} {self.known[kind]:11,}")
        print(f"  wrong: {len(self.wrong)}")
        for line in self.wrong[:20]:
            print(f"    {line}")
        print("\n  writes whose acknowledgement tshark has, and of these with a sample")
        for (goes_on, timestamps, segments), (count, sampled) in self.writes.items():
            share = f"{sampled / count:.1%}" if count else ""
            print(f"  {segments:8} segments, {'with' if timestamps else 'without':7} timestamps, {count:6,} {sampled:6,} {share:>7}"
                  f"{'  acknowledged when more had been sent' if goes_on else ''}")
        within = [sum(abs(leg[4][i]) <= BUCKET for leg in self.legs) for i in (0, 1)]
        print(f"\n  {len(self.legs)} legs with {ENOUGH} samples and more of tshark's: within a bucket of its p50 {within[0]}, of its p99 "
              f"{within[1]}. The others:\n\n  buckets from p50, from p99; samples of tshark's, of podrtt's; sent again or missing")
        for name, count, own, again, apart in self.legs:
            if max(map(abs, apart)) > BUCKET:
                print(f"  {apart[0] / BUCKET:+6.1f} {apart[1] / BUCKET:+6.1f} {count:6,} {own:6,} {again:6,}  {name}")

    def fails(self):
        return self.wrong or any(sampled < LEAST * count for (goes_on, _, size), (count, sampled) in self.writes.items()
                                 if not goes_on and size != SEGMENTS[-1])


def quantile(ordered, q):
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def main():
    parser = argparse.ArgumentParser(prog="hack/captures", description=__doc__)
    parser.add_argument("captures", metavar="FILE", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    comparison = Comparison()
    with ThreadPoolExecutor(2) as pool:
        for done, _ in enumerate(pool.map(comparison.add, options.captures), 1):
            if done % 50 == 0:
                print(f"==> {done} of {len(options.captures)} captures", flush=True)
    comparison.print()
    return 1 if comparison.fails() else 0


if __name__ == "__main__":
    sys.exit(main())
