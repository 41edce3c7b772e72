# SPDX-License-Identifier: Apache-2.0
"""Clients of podrttd that are a burden to it."""

import socket

SERVER = ("127.0.0.1", 9435)
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
END = b"\r\n"


def slow_reader(source, request=REQUEST + END, timeout=None):
    """One at an address that has asked, and has room for next to nothing of the answer; None if it was refused."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.settimeout(timeout)
    try:
        client.bind((source, 0))
        client.connect(SERVER)
        client.sendall(request)
    except OSError:
        client.close()
        return None
    return client
