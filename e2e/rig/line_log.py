# SPDX-License-Identifier: Apache-2.0
"""Reads the log of a delay line: what really happened to the frames that crossed it."""

FIN, SYN, ACK = 0x01, 0x02, 0x10


def is_after(a, b):
    return 0 < (a - b) % 2**32 < 2**31


def round_trips(log, kind="data"):
    """Seconds between each data segment (or SYN, for kind="handshake") that entered the
    line at its near end and the ACK of exactly that segment that left it there. Data sent
    again, and what was outstanding then, does not count."""
    ends = {}         # of each flow: the highest sequence number seen
    outstanding = {}  # of each flow: when the segment that ends there entered
    found = []
    with open(log, encoding="ascii") as lines:
        for line in lines:
            fields = line.split()
            if len(fields) < 12:
                continue
            entered, left = int(fields[1]), int(fields[2])
            source, destination = (fields[4], fields[5]), (fields[6], fields[7])
            seq, ack, length, flags = int(fields[8]), int(fields[9]), int(fields[10]), int(fields[11], 16)
            if fields[0] in ("far", "lost-far"):
                flow = (source, destination)
                sent = outstanding.setdefault(flow, {})
                end = (seq + length + bool(flags & SYN) + bool(flags & FIN)) % 2**32
                if length or flags & SYN:
                    for other in [other for other in sent if is_after(other, seq)]:
                        del sent[other]
                    if flow not in ends or is_after(end, ends[flow]):
                        sent[end] = (entered, "handshake" if flags & SYN else "data")
                if flow not in ends or is_after(end, ends[flow]):
                    ends[flow] = end
            elif fields[0] == "near" and flags & ACK:
                sent = outstanding.get((destination, source), {})
                if ack in sent and sent[ack][1] == kind:
                    found.append((left - sent[ack][0]) * 1e-9)
                for other in [other for other in sent if not is_after(other, ack)]:
                    del sent[other]
    return found
