# SPDX-License-Identifier: Apache-2.0
"""Real traffic, to be run inside pods and peers.

  traffic.py serve PORT                             serves both kinds, IPv4 and IPv6
  traffic.py requests HOST PORT CONNECTIONS COUNT [SOURCE]
                                                    short requests, COUNT on each connection, from an address
  traffic.py split HOST PORT CONNECTIONS COUNT      the same, each request in two writes
  traffic.py paced HOST PORT CONNECTIONS SECONDS    a request on each connection in turn, one a millisecond;
                                                    prints how many
  traffic.py connects HOST PORT COUNT               connections, one after the other; prints how long each took,
                                                    seconds
  traffic.py timed HOST PORT CONNECTIONS COUNT      short requests; prints how long each was without an answer,
                                                    seconds
  traffic.py parallel HOST PORT CONNECTIONS COUNT   short requests on all connections at the same time;
                                                    prints tcpi_rtt of each at its end, microseconds
  traffic.py bulk HOST PORT BYTES                   one connection that sends BYTES
  traffic.py ping HOST COUNT                        ICMP echo; prints how many were answered
  traffic.py names                                  a DNS server: "slow" names are answered after 50 ms, "failing"
                                                    ones by SERVFAIL, "lost" ones when they are asked again
  traffic.py resolve HOST NAME COUNT                asks for the name; prints how long each answer took, seconds
"""

import contextlib
import os
import socket
import struct
import sys
import threading
import time

REQUEST = b"r" * 200
RESPONSE = b"s" * 1000


def receive(connection, length):
    received = 0
    while received < length:
        part = connection.recv(min(length - received, 1 << 16))
        if not part:
            return False
        received += len(part)
    return True


def answer(connection):
    """The first byte says what comes: requests, to be answered, or bulk, to be read."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        if connection.recv(1, socket.MSG_PEEK) == REQUEST[:1]:
            while receive(connection, len(REQUEST)):
                connection.sendall(RESPONSE)
        else:
            while connection.recv(1 << 16):
                pass


def serve(port):
    with socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


def connect(host, port, source=None):
    connection = socket.create_connection((host, int(port)), source_address=(source, 0) if source else None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection, writes=1):
    for part in range(writes):
        connection.sendall(REQUEST[len(REQUEST) * part // writes:len(REQUEST) * (part + 1) // writes])
    if not receive(connection, len(RESPONSE)):
        raise ConnectionError("the server closed the connection")


def requests(host, port, connections, count, source=None, writes=1):
    for _ in range(int(connections)):
        with connect(host, port, source) as connection:
            for _ in range(int(count)):
                ask(connection, writes)


def split(host, port, connections, count):
    requests(host, port, connections, count, writes=2)


def connects(host, port, count):
    for _ in range(int(count)):
        start = time.monotonic()
        with socket.create_connection((host, int(port))):
            print(time.monotonic() - start)


def timed(host, port, connections, count):
    for _ in range(int(connections)):
        with connect(host, port) as connection:
            for _ in range(int(count)):
                connection.sendall(REQUEST)
                start = time.monotonic()
                if not receive(connection, 1):
                    raise ConnectionError("the server closed the connection")
                print(time.monotonic() - start)
                receive(connection, len(RESPONSE) - 1)


def names():
    """Answers hold the question alone: nobody here looks at more."""
    seen = set()

    def reply(server, client, query, rcode):
        server.sendto(query[:2] + struct.pack("!H", 0x8180 | rcode) + query[4:], client)

    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 53))
        print("ready", flush=True)
        while True:
            query, client = server.recvfrom(512)
            name = query[13:13 + query[12]].lower()
            if name.startswith(b"lost") and (query[:2], client) not in seen:
                seen.add((query[:2], client))
            elif name.startswith(b"slow"):
                threading.Timer(0.05, reply, (server, client, query, 0)).start()
            else:
                reply(server, client, query, 2 if name.startswith(b"failing") else 0)


def resolve(host, name, count):
    label = name.encode()
    question = bytes([len(label)]) + label + b"\x04test\x00" + struct.pack("!HH", 1, 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        client.connect((host, 53))
        for number in range(int(count)):
            query = struct.pack("!HHHHHH", number + 1, 0x0100, 1, 0, 0, 0) + question
            start = time.monotonic()
            client.send(query)
            while True:
                try:
                    if client.recv(512)[:2] == query[:2]:
                        break
                except TimeoutError:
                    client.send(query)
            print(time.monotonic() - start)


TCPI_RTT = 68  # offset in struct tcp_info (linux/tcp.h)


def parallel(host, port, connections, count):
    found = []

    def work():
        with connect(host, port) as connection:
            for _ in range(int(count)):
                ask(connection)
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            found.append(struct.unpack_from("I", info, TCPI_RTT)[0])

    threads = [threading.Thread(target=work) for _ in range(int(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) != len(threads):
        sys.exit("a connection has failed")
    print(*found)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ping(host, count):
    v6 = ":" in host
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    request, reply, header = (128, 129, 0) if v6 else (8, 0, 20)
    answered = 0
    with socket.socket(family, socket.SOCK_RAW, protocol) as icmp:
        icmp.settimeout(2)
        for sequence in range(int(count)):
            message = struct.pack("!BBHHH", request, 0, 0, os.getpid() & 0xFFFF, sequence) + b"p" * 56
            if not v6:
                message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
            icmp.sendto(message, (host, 0))
            with contextlib.suppress(TimeoutError):
                while icmp.recv(2048)[header] != reply:
                    pass
                answered += 1
    print(answered)


def paced(host, port, connections, seconds):
    opened = [socket.create_connection((host, int(port))) for _ in range(int(connections))]
    count, end = 0, time.monotonic() + float(seconds)
    while time.monotonic() < end:
        connection = opened[count % len(opened)]
        ask(connection)
        count += 1
        time.sleep(0.001)
    print(count)


def bulk(host, port, length):
    block = b"b" * (1 << 16)
    left = int(length)
    with socket.create_connection((host, int(port))) as connection:
        while left > 0:
            connection.sendall(block[:left])
            left -= len(block)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


if __name__ == "__main__":
    {"serve": serve, "requests": requests, "split": split, "parallel": parallel, "paced": paced, "bulk": bulk,
     "connects": connects, "ping": ping, "timed": timed, "names": names, "resolve": resolve}[sys.argv[1]](*sys.argv[2:])
