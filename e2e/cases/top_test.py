# SPDX-License-Identifier: Apache-2.0
"""podrttd top on a real terminal (tmux), with real pods under traffic. Run by e2e/rig/isolate."""

import itertools
import json
import re
import subprocess
import unittest

import node
from node import BIN, Chain, Daemon, Peer, Pod, in_netns, near_server, requests, run, serve, wait_until

PORT = 8080


class Terminal:
    """A terminal of so many columns and lines, in which podrttd top runs."""

    numbers = itertools.count()

    def __init__(self, columns, lines, *options):
        # A server of its own: that of the terminal before may be about to end, and would take this one with it.
        self.server = ("tmux", "-L", f"podrtt-{next(self.numbers)}")
        command = f"'{BIN}/podrttd' top --interval 1 {' '.join(options)}; echo ENDED; sleep 60"
        self.tmux("new-session", "-d", "-s", "top", "-x", str(columns), "-y", str(lines), command)

    def tmux(self, *arguments):
        return run(*self.server, "-f", "/dev/null", *arguments)

    def keys(self, *keys):
        self.tmux("send-keys", "-t", "top", *keys)

    def text(self):
        return self.tmux("capture-pane", "-p", "-t", "top")

    def wait_for(self, pattern, seconds=20):
        wait_until(lambda: re.search(pattern, self.text(), re.MULTILINE), f"{pattern} on the screen", seconds)

    def end(self):
        subprocess.run([*self.server, "kill-server"], check=False, capture_output=True)


class TopTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        node.prepare()
        cls.daemon = Daemon("--grace-period", "1")
        cls.near = near_server(PORT)
        cls.far = Peer("far", 201)
        cls.far.connect_by_delay_line(100_000, "/dev/null")
        serve(in_netns("far"), PORT)
        chain = Chain()
        cls.web, cls.idle = Pod(chain, "shop", "web").create(), Pod(chain, "shop", "idle").create()
        cls.unmeasured = Pod(chain, "data", "unmeasured").create()
        cls.terminal = None

    @classmethod
    def tearDownClass(cls):
        cls.daemon.process.kill()

    def tearDown(self):
        if self.terminal:
            self.terminal.end()

    def open(self, *arguments):
        self.terminal = Terminal(*arguments)
        return self.terminal

    def test_figures_are_those_of_the_window(self):
        requests(self.web, self.near.v4, PORT, connections=50, count=40)  # long before
        terminal = self.open(80, 24)
        terminal.wait_for(r"^shop/web +idle|^shop/idle +idle")
        traffic = self.web.popen(*node.TRAFFIC, "requests", self.far.v4, str(PORT), "4", "10")
        terminal.wait_for(r"^shop/web +network +\d+ms +(19|2\d)\dms")
        # Of the beginning there are so many more that the median is theirs.
        everything = json.loads(run(BIN / "podrttd", "top", "-o", "json", "--pod", "web", "--leg", "network"))
        self.assertLess(next(s for s in everything if s["kind"] == "response" and s["peer"] == "private")["p50_seconds"], 0.1)
        traffic.wait(60)
        for line in terminal.text().splitlines():
            self.assertLessEqual(len(line), 80)
        self.assertRegex(terminal.text(), r"window .*10s  by worst  pods 3: ")

    def test_keys_and_what_is_not_measured(self):
        self.daemon.process.send_signal(19)  # it would put them back
        try:
            run("tc", "qdisc", "delete", "dev", self.unmeasured.host_veth, "clsact")
            terminal = self.open(100, 24)
            terminal.wait_for(r"^data/unmeasured +not measured: ")
            terminal.wait_for(r"1 not measured")
        finally:
            self.daemon.process.send_signal(18)
        terminal.keys("/")
        terminal.keys("idle", "Enter")
        terminal.wait_for(r"^/idle")
        wait_until(lambda: "unmeasured" not in terminal.text(), "the filter holds")
        terminal.keys("Escape")
        terminal.wait_for(r"^data/unmeasured")
        for _ in range(4):
            terminal.keys("s")
        terminal.wait_for(r"by name")
        terminal.keys("w")
        terminal.wait_for(r"of 1m")
        terminal.keys("l")
        terminal.wait_for(r"^leg network")
        terminal.keys("?")
        terminal.wait_for(r"^WORST +the longest")
        terminal.keys("x")
        terminal.wait_for(r"^POD +LEG")
        terminal.keys("q")
        terminal.wait_for(r"^ENDED")

    def test_any_height_and_resizing(self):
        terminal = self.open(80, 5)
        terminal.wait_for(r"^POD +LEG")
        first = terminal.text().splitlines()[3]
        terminal.keys("s", "s", "s", "s")
        terminal.keys("End")
        wait_until(lambda: terminal.text().splitlines()[3] != first, "it has scrolled")
        terminal.tmux("resize-window", "-t", "top", "-x", "160", "-y", "30")
        terminal.wait_for(r"^POD +LEG.*SAMPLES")

    def test_without_a_terminal_it_is_one_table(self):
        for options in ((), ("--once",), ("-o", "table"), ("--window", "1s")):
            table = run(BIN / "podrttd", "top", *options)
            self.assertNotIn("\033", table)
            self.assertRegex(table, r"\APOD +LEG")
            self.assertIn("shop/idle", table)
        self.assertEqual(run(BIN / "podrttd", "top", "--window", "1s", "-o", "json"), "[]\n")

    def test_a_terminal_that_is_not_known_is_named(self):
        done = subprocess.run(["script", "-qec", f"TERM=nonsense {BIN}/podrttd top", "/dev/null"], capture_output=True, text=True,
                              check=False, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--once", done.stdout)


if __name__ == "__main__":
    unittest.main()
