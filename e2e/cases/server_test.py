# SPDX-License-Identifier: Apache-2.0
"""What the daemon serves, and to whom it does not listen. Run by e2e/rig/isolate."""

import base64
import contextlib
import gzip
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import node
from clients import slow_reader
from node import BIN, Chain, Daemon, Pod, run, wait_until

HOST, PORT = "127.0.0.1", 9435


def setUpModule():
    node.prepare()


def ask(path, method="GET", body=None, timeout=15):
    connection = http.client.HTTPConnection(HOST, PORT, timeout=timeout)
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


def connect(last_byte):
    """A client at 127.0.0.`last_byte`: no address has all connections."""
    return socket.create_connection((HOST, PORT), source_address=(f"127.0.0.{last_byte}", 0))


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

    def test_metrics_are_compressed_for_who_takes_it(self):
        connection = http.client.HTTPConnection(HOST, PORT, timeout=15)
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        self.assertEqual(answer.headers["Content-Encoding"], "gzip")
        compressed = answer.read()
        self.assertEqual(int(answer.headers["Content-Length"]), len(compressed))
        text = gzip.decompress(compressed).decode()
        self.assertTrue(text.endswith("\n") and "\npodrtt_build_info" in text)

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
        for path in ("/metrics/", "/etc/passwd", "/../../etc/passwd", "/page"):
            with self.subTest(path):
                self.assertGreaterEqual(ask(path)[0], 400)

    def test_clients_that_are_slow_or_broken_do_not_hurt(self):
        """They send parts of requests, a byte now and then, something else, too much; and read nothing."""
        starts = (b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01\x02\x00", b"G" * 100000,
                  b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        sockets = []
        for start in starts * 40:
            client = connect(2)
            client.settimeout(1)
            try:
                client.sendall(start)
            except OSError:
                pass  # refused already
            sockets.append(client)
        for _ in range(20):
            for client in sockets:
                try:
                    client.send(b"x")
                except OSError:
                    pass
            self.assertEqual(ask("/metrics")[0], 200)
        for client in sockets:
            client.close()

    def served(self):
        """Sockets that the daemon has; one may be closed between the look at the list and the look at it."""
        count = 0
        for fd in os.scandir(f"/proc/{self.daemon.process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                count += os.readlink(fd.path).startswith("socket:")
        return count

    def readers(self, count):
        """Clients that have asked and read nothing; their answers do not fit into what the kernel keeps."""
        usual = run("sysctl", "-n", "net.ipv4.tcp_wmem").split()
        run("sysctl", "-qw", "net.ipv4.tcp_wmem=4096 4096 4096")
        clients = [slow_reader("127.0.0.2") for _ in range(count)]
        self.assertNotIn(None, clients)
        run("sysctl", "-qw", f"net.ipv4.tcp_wmem={' '.join(usual)}")
        wait_until(lambda: self.served() > count, "all have connections")
        return clients

    def test_clients_that_read_slowly_are_given_up(self):
        """Some read nothing, some a little now and then."""
        clients = self.readers(100)
        end = time.monotonic() + 90
        while self.served() > 20 and time.monotonic() < end:
            for client in clients[:50]:
                try:
                    client.recv(16)
                except OSError:
                    pass  # given up
            self.assertEqual(ask("/metrics")[0], 200)
            time.sleep(0.5)
        self.assertLessEqual(self.served(), 20)
        for client in clients:
            client.close()

    def test_requests_that_never_end_keep_nobody_out(self):
        """Four addresses take all connections, and send a byte now and then."""
        clients = []
        for number in range(480):
            clients.append(connect(2 + number % 4))
            clients[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        lost = set()
        end = time.monotonic() + 60
        while len(lost) < len(clients) and time.monotonic() < end:
            for client in set(clients) - lost:
                try:
                    client.send(b"x")
                except OSError:
                    lost.add(client)
            for path in ("/healthz", "/metrics"):
                self.assertEqual(ask(path, timeout=5)[0], 200)  # as a probe would wait
            time.sleep(1)
        self.assertEqual(len(lost), len(clients))
        for client in clients:
            client.close()

    def test_it_ends_well_while_requests_are_refused(self):
        """They have no host, or too many headers, and come as fast as they can."""
        requests = (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 9000)
        for _ in range(10):
            ended = threading.Event()

            def ask_wrongly(number):
                while not ended.is_set():
                    try:
                        with connect(2 + number) as client:
                            client.sendall(requests[number % 2])
                    except OSError:
                        pass  # refused, or the daemon has ended

            clients = [threading.Thread(target=ask_wrongly, args=(number,)) for number in range(4)]
            for client in clients:
                client.start()
            time.sleep(0.02)
            try:
                self.daemon.stop()
            finally:
                ended.set()
                for client in clients:
                    client.join()
            self.setUp()

    def test_it_ends_at_once_while_hundreds_are_connected(self):
        for _ in range(10):
            clients = [connect(2 + number % 4) for number in range(400)]
            for client in clients:
                client.sendall(b"GET")
            ask("/healthz")
            self.daemon.stop()  # before the clients
            for client in clients:
                client.close()
            self.setUp()

    def test_no_address_takes_all_connections(self):
        clients = [connect(3) for _ in range(600)]
        self.assertEqual(ask("/metrics")[0], 200)
        self.assertLess(len(os.listdir(f"/proc/{self.daemon.process.pid}/fd")), 300)
        for client in clients:
            client.close()

    def test_many_clients(self):
        with ThreadPoolExecutor(60) as pool:
            self.assertEqual({status for status, _, _ in pool.map(lambda _: ask("/metrics"), range(300))}, {200})
        self.assertLess(len(os.listdir(f"/proc/{self.daemon.process.pid}/fd")), 60)

    def test_page_comes_whole_and_brings_nothing_from_elsewhere(self):
        for path, content_type in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript"),
                                   ("/chart.js", "text/javascript"), ("/uplot.js", "text/javascript"), ("/uplot.css", "text/css")):
            status, body, headers = ask(path)
            self.assertEqual(status, 200)
            self.assertTrue(headers["Content-Type"].startswith(content_type))
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
            self.assertNotIn("http", body.removeprefix("/*! https://github.com/leeoniya/uPlot "))
        status, body, _ = ask("/pods.json")
        self.assertEqual((status, json.loads(body)["pods"]), (200, []))


def make_certificate(name, purpose="serverAuth,clientAuth"):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
        "-keyout", f"/run/{name}.key", "-out", f"/run/{name}.pem", "-subj", f"/CN={name}", "-addext",
        "subjectAltName=IP:127.0.0.1", "-addext",
        f"extendedKeyUsage={purpose}")


class SighupTest(unittest.TestCase):
    CONFIG = pathlib.Path("/run/podrttd.yml")
    LOG = pathlib.Path("/run/podrttd.log")

    def test_sighup_takes_what_can_change_and_names_what_cannot(self):
        self.CONFIG.write_text("pod-metrics: [rtt]\n", encoding="ascii")
        with open(self.LOG, "w", encoding="ascii") as log:
            daemon = Daemon("--config", str(self.CONFIG), stderr=log, pin_path=None)
        try:
            self.CONFIG.write_text("pod-metrics: [floor]\nlog-format: json\nmax-flows: 2048\nlisten: ':1'\n"
                                   "namespace-grace-period: 2h\nno-dns: true\n", encoding="ascii")
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "a restart is needed" in self.LOG.read_text(encoding="ascii"), "it has read the file again")
            lines = self.LOG.read_text(encoding="ascii").splitlines()
            said = [json.loads(line)["message"] for line in lines if line.startswith("{")]
            self.assertEqual(said, ["read the options again", "a restart is needed for --max-flows"])
            self.CONFIG.write_text("pod-metrics: [flor]\nmax-pods: x\n", encoding="ascii")
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "stay as they were" in self.LOG.read_text(encoding="ascii"), "the file is refused")
            self.assertEqual(len(re.findall("pod-metrics|max-pods", self.LOG.read_text(encoding="ascii"))), 2)
            self.CONFIG.write_text("pin-path: /sys/fs/bpf/elsewhere\n", encoding="ascii")
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "a restart is needed for --pin-path" in self.LOG.read_text(encoding="ascii"), "it names that")
        finally:
            daemon.stop()

    def test_series_change_without_a_restart(self):
        self.CONFIG.write_text("level: namespace\n", encoding="ascii")
        daemon = Daemon("--config", str(self.CONFIG))
        pod = Pod(Chain(), "shop", "reloaded").create()
        try:
            node.requests(pod, node.near_server(5000).v4, 5000)
            self.assertNotIn('podrtt_tcp_rtt_seconds_count{namespace="shop",pod="reloaded"', daemon.metrics())
            self.CONFIG.write_text("level: pod\n", encoding="ascii")
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: 'podrtt_tcp_rtt_seconds_count{namespace="shop",pod="reloaded"' in daemon.metrics(),
                       "single pods are there")
        finally:
            pod.delete()
            daemon.stop()


class WebConfigTest(unittest.TestCase):
    def setUp(self):
        make_certificate("podrttd")
        self.daemon = None

    def tearDown(self):
        if self.daemon:
            self.daemon.terminate()
            self.assertEqual(self.daemon.wait(10), 0)

    def start(self, text):
        pathlib.Path("/run/web.yml").write_text(text, encoding="ascii")
        self.daemon = subprocess.Popen([BIN / "podrttd", "run", "--web.config.file", "/run/web.yml"])

    @staticmethod
    def status(path, credentials=None, certificate=None, version=None):
        """Over TLS; None if there is no connection."""
        context = ssl.create_default_context(cafile="/run/podrttd.pem")
        if certificate:
            context.load_cert_chain(f"/run/{certificate}.pem", f"/run/{certificate}.key")
        if version:
            context.maximum_version = version
        connection = http.client.HTTPSConnection(HOST, PORT, timeout=15, context=context)
        headers = {"Authorization": "Basic " + base64.b64encode(credentials).decode()} if credentials else {}
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None

    def test_tls_and_users(self):
        # bcrypt of "secret"
        users = "{anna: $2y$05$JOe1hDjRY2HkO3ynxRXAaOto1KXSddXvzSq.zKouNxF6f1LyzwlHi}"
        self.start("tls_server_config: {cert_file: podrttd.pem, key_file: podrttd.key}\n"
                   f"basic_auth_users: {users}\nauth_excluded_paths: [/healthz]\n")
        wait_until(lambda: self.status("/healthz") == 200, "it serves over TLS")
        for path in ("/metrics", "/", "/pods.json"):
            self.assertEqual(self.status(path), 401)
        self.assertEqual(self.status("/metrics", b"anna:wrong"), 401)
        self.assertEqual(self.status("/metrics", b"anna:secret"), 429)  # a second for thought
        wait_until(lambda: self.status("/metrics", b"anna:secret") == 200, "the right one is let in", 3)
        self.assertEqual(self.status("/metrics", b"bert:secret"), 401)
        self.assertEqual(self.status("/metrics", b"anna:secret"), 200)  # known by now
        with self.assertRaises((http.client.HTTPException, OSError)):
            ask("/metrics")  # without TLS

    def test_a_renewed_certificate_counts_at_once(self):
        self.start("tls_server_config: {cert_file: podrttd.pem, key_file: podrttd.key, min_version: TLS13}\n")
        wait_until(lambda: self.status("/healthz") == 200, "it serves over TLS")
        self.assertIsNone(self.status("/healthz", version=ssl.TLSVersion.TLSv1_2))
        make_certificate("podrttd")  # the client trusts no other from now on
        self.assertEqual(self.status("/healthz"), 200)
        pathlib.Path("/run/podrttd.key").write_text("half", encoding="ascii")
        self.assertIsNone(self.status("/healthz"))
        make_certificate("podrttd")
        self.assertEqual(self.status("/healthz"), 200)

    def test_clients_need_a_certificate(self):
        make_certificate("known")
        make_certificate("unknown")
        make_certificate("server", "serverAuth")
        certificates = [pathlib.Path(f"/run/{name}.pem").read_text(encoding="ascii") for name in ("known", "server")]
        pathlib.Path("/run/clients.pem").write_text("".join(certificates), encoding="ascii")
        self.start("tls_server_config: {cert_file: podrttd.pem, key_file: podrttd.key, client_ca_file: clients.pem,"
                   " client_auth_type: RequireAndVerifyClientCert}\n")
        wait_until(lambda: self.status("/healthz", certificate="known") == 200, "it serves who is known")
        self.assertIsNone(self.status("/healthz"))
        self.assertIsNone(self.status("/healthz", certificate="unknown"))
        self.assertIsNone(self.status("/healthz", certificate="server"))  # trusted, but as a server

    def test_a_revoked_password_stops_working_at_once(self):
        def allow(password_hash):
            pathlib.Path("/run/web.yml.new").write_text("tls_server_config: {cert_file: podrttd.pem, key_file: podrttd.key}\n"
                                                        f"basic_auth_users: {{anna: {password_hash}}}\n", encoding="ascii")
            pathlib.Path("/run/web.yml.new").rename("/run/web.yml")

        self.start("tls_server_config: {cert_file: podrttd.pem, key_file: podrttd.key}\n"
                   "basic_auth_users: {anna: $2y$05$JOe1hDjRY2HkO3ynxRXAaOto1KXSddXvzSq.zKouNxF6f1LyzwlHi}\n")
        wait_until(lambda: self.status("/metrics", b"anna:secret") == 200, "it serves whom it knows")
        allow("$2y$05$JOe1hDjRY2HkO3ynxRXAaOto1KXSddXvzSq.zKouNxF6f1LyzwlHj")
        self.assertEqual(self.status("/metrics", b"anna:secret"), 401)
        allow("nonsense")  # a mistake changes nothing
        wait_until(lambda: self.status("/metrics", b"anna:secret") == 401, "it is still refused")
        allow("$2y$05$JOe1hDjRY2HkO3ynxRXAaOto1KXSddXvzSq.zKouNxF6f1LyzwlHi")
        wait_until(lambda: self.status("/metrics", b"anna:secret") == 200, "it is allowed again")

    def test_probes_need_no_certificate_where_paths_are_open(self):
        make_certificate("known")
        make_certificate("unknown")
        self.start("tls_server_config: {cert_file: podrttd.pem, key_file: podrttd.key, client_ca_file: known.pem,"
                   " client_auth_type: RequireAndVerifyClientCert}\nauth_excluded_paths: [/healthz]\n")
        wait_until(lambda: self.status("/healthz") == 200, "it serves the probe")
        self.assertEqual(self.status("/metrics"), 403)
        self.assertEqual(self.status("/metrics", certificate="unknown"), 403)
        self.assertEqual(self.status("/metrics", certificate="known"), 200)

    def test_clients_need_a_name(self):
        make_certificate("known")
        tls = ("tls_server_config: {cert_file: podrttd.pem, key_file: podrttd.key, client_ca_file: known.pem,"
               " client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [%s]}\n")
        self.start(tls % HOST)
        wait_until(lambda: self.status("/healthz", certificate="known") == 200, "it serves the name")
        pathlib.Path("/run/web.yml").write_text(tls % "192.0.2.1, somebody.example", encoding="ascii")
        wait_until(lambda: self.status("/healthz", certificate="known") == 403, "another name is asked for")

    def test_a_rate_is_kept_and_headers_are_added(self):
        self.start("rate_limit: {interval: 1h, burst: 3}\nhttp_server_config: {headers: {X-Frame-Options: deny}}\n")
        replies = []

        def until_refused():
            try:
                replies.append(ask("/"))
            except OSError:
                return False
            return replies[-1][0] == 429
        wait_until(until_refused, "the bucket is empty")
        self.assertEqual([status for status, _, _ in replies], [200, 200, 200, 429])
        self.assertEqual(replies[-1][2]["Retry-After"], "1")
        self.assertEqual(replies[0][2]["X-Frame-Options"], "deny")
        self.assertEqual(ask("/healthz")[0], 200)  # probes do not starve

    def test_a_file_with_mistakes_is_refused(self):
        pathlib.Path("/run/web.yml").write_text("basic_auth_user: {}\n", encoding="ascii")
        done = subprocess.run([BIN / "podrttd", "run", "--web.config.file", "/run/web.yml"], capture_output=True, text=True,
                              timeout=10)
        self.assertEqual(done.returncode, 1)
        self.assertIn('unknown key "basic_auth_user"', done.stderr)

    def test_a_key_that_is_not_the_certificates_is_refused(self):
        make_certificate("other")
        pathlib.Path("/run/web.yml").write_text("tls_server_config: {cert_file: podrttd.pem, key_file: other.key}\n",
                                                encoding="ascii")
        done = subprocess.run([BIN / "podrttd", "run", "--web.config.file", "/run/web.yml"], capture_output=True, text=True,
                              timeout=10)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/run/podrttd.pem and /run/other.key", done.stderr)


if __name__ == "__main__":
    unittest.main()
