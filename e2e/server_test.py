# SPDX-License-Identifier: Apache-2.0
"""What the daemon serves, and to whom it does not listen. Run by e2e/isolate."""

import http.client
import os
import socket
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import node
from node import Daemon, wait_until

HOST, PORT = "127.0.0.1", 9435


def setUpModule():
    node.prepare()


def ask(path, method="GET", body=None):
    connection = http.client.HTTPConnection(HOST, PORT, timeout=15)
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


class ServerTest(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("--grace-period", "1")

    def tearDown(self):
        self.daemon.stop()

    def test_metrics_are_in_prometheus_text_format(self):
        status, body, headers = ask("/metrics")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        for family in ("podrtt_build_info", "process_cpu_seconds_total", "process_resident_memory_bytes",
                       "podrtt_bpf_map_capacity", "podrtt_repairs_total"):
            self.assertIn(f"\n{family}", body)

    def test_health_and_readiness(self):
        wait_until(lambda: ask("/readyz")[0] == 200, "the daemon is ready")
        self.assertEqual(ask("/healthz")[:2], (200, "ok\n"))

    def test_nothing_can_be_written(self):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"):
            with self.subTest(method):
                status, _, headers = ask("/metrics", method, "x" * 1000 if method in ("POST", "PUT") else None)
                self.assertGreaterEqual(status, 400)
                if status == 405:
                    self.assertIn("GET", headers["Allow"])
        self.assertEqual(ask("/metrics", "HEAD")[:2], (200, ""))
        for path in ("/", "/metrics/", "/etc/passwd", "/../../etc/passwd", "/%00"):
            with self.subTest(path):
                self.assertGreaterEqual(ask(path)[0], 400)

    def test_clients_that_are_slow_or_broken_do_not_hurt(self):
        sockets = []
        for start in (b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01\x02\x00", b"G" * 100000) * 5:
            client = socket.create_connection((HOST, PORT))
            try:
                client.sendall(start)
            except OSError:
                pass  # refused already
            sockets.append(client)
        start = time.monotonic()
        self.assertEqual(ask("/metrics")[0], 200)
        self.assertLess(time.monotonic() - start, 4)
        for client in sockets:
            client.close()
        with ThreadPoolExecutor(60) as pool:
            self.assertEqual({status for status, _, _ in pool.map(lambda _: ask("/metrics"), range(300))}, {200})
        before = len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))
        self.assertLess(before, 60)


if __name__ == "__main__":
    unittest.main()
