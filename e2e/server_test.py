# SPDX-License-Identifier: Apache-2.0
"""What the daemon serves, and to whom it does not listen. Run by e2e/isolate."""

import base64
import http.client
import os
import pathlib
import socket
import ssl
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import node
from node import BIN, Daemon, run, wait_until

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


class WebConfigTest(unittest.TestCase):
    def test_tls_and_users(self):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
            "-keyout", "/run/key.pem", "-out", "/run/cert.pem", "-subj", "/CN=podrttd", "-addext",
            "subjectAltName=IP:127.0.0.1")
        # bcrypt of "secret"
        users = "{anna: $2y$05$JOe1hDjRY2HkO3ynxRXAaOto1KXSddXvzSq.zKouNxF6f1LyzwlHi}"
        pathlib.Path("/run/web.yml").write_text(
            "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
            f"basic_auth_users: {users}\nauth_excluded_paths: [/healthz]\n", encoding="ascii")
        daemon = subprocess.Popen([BIN / "podrttd", "run", "--web.config.file", "/run/web.yml"])
        context = ssl.create_default_context(cafile="/run/cert.pem")

        def status(path, credentials=None):
            connection = http.client.HTTPSConnection(HOST, PORT, timeout=15, context=context)
            headers = {"Authorization": "Basic " + base64.b64encode(credentials).decode()} if credentials else {}
            try:
                connection.request("GET", path, headers=headers)
                return connection.getresponse().status
            except ConnectionError:
                return None

        wait_until(lambda: status("/healthz") == 200, "it serves over TLS")
        self.assertEqual(status("/metrics"), 401)
        self.assertEqual(status("/metrics", b"anna:wrong"), 401)
        self.assertEqual(status("/metrics", b"anna:secret"), 200)
        self.assertEqual(status("/metrics", b"anna:secret"), 200)
        with self.assertRaises((http.client.HTTPException, OSError)):
            ask("/metrics")  # without TLS
        daemon.terminate()
        self.assertEqual(daemon.wait(10), 0)

    def test_a_file_with_mistakes_is_refused(self):
        pathlib.Path("/run/web.yml").write_text("basic_auth_user: {}\n", encoding="ascii")
        done = subprocess.run([BIN / "podrttd", "run", "--web.config.file", "/run/web.yml"], capture_output=True, text=True,
                              timeout=10)
        self.assertEqual(done.returncode, 1)
        self.assertIn('unknown key "basic_auth_user"', done.stderr)


if __name__ == "__main__":
    unittest.main()
