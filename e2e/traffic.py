# SPDX-License-Identifier: Apache-2.0
"""Real TCP traffic, to be run inside pods and peers.

  traffic.py serve PORT                             serves both kinds, IPv4 and IPv6
  traffic.py requests HOST PORT CONNECTIONS COUNT   short requests, COUNT on each connection
  traffic.py paced HOST PORT CONNECTIONS SECONDS    a request on each connection in turn, one a millisecond;
                                                    prints how many
  traffic.py bulk HOST PORT BYTES                   one connection that sends BYTES
"""

import socket
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


def requests(host, port, connections, count):
    for _ in range(int(connections)):
        with socket.create_connection((host, int(port))) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(int(count)):
                connection.sendall(REQUEST)
                if not receive(connection, len(RESPONSE)):
                    raise ConnectionError("the server closed the connection")


def paced(host, port, connections, seconds):
    opened = [socket.create_connection((host, int(port))) for _ in range(int(connections))]
    count, end = 0, time.monotonic() + float(seconds)
    while time.monotonic() < end:
        connection = opened[count % len(opened)]
        connection.sendall(REQUEST)
        if not receive(connection, len(RESPONSE)):
            raise ConnectionError("the server closed the connection")
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
    {"serve": serve, "requests": requests, "paced": paced, "bulk": bulk}[sys.argv[1]](*sys.argv[2:])
