# SPDX-License-Identifier: Apache-2.0
"""hack/demo --keep as a user has it: the page is reached from outside, figures go on, and a key ends it. Runs outside of
e2e/rig/isolate, which demo.py has to itself."""

import pathlib
import re
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

CASES = pathlib.Path(__file__).resolve().parent
RIG = CASES.parent / "rig"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class KeepTest(unittest.TestCase):
    def test_goes_on_until_a_key_is_pressed(self):
        port = free_port()
        demo = subprocess.Popen([RIG / "listen", f"127.0.0.1:{port}", RIG / "isolate", sys.executable, CASES / "demo.py"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def connections():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
                return sum(float(line.split()[-1]) for line in answer.read().decode().splitlines()
                           if line.startswith('podrtt_pod_connects_total{namespace="shop"') and 'result="begun"' in line)
        try:
            text = ""
            while "Press a key" not in text:
                line = demo.stdout.readline()
                self.assertTrue(line, text)
                text += line
            self.assertIn(f"http://127.0.0.1:{port}/", text)
            before, patience = connections(), time.monotonic() + 60
            while connections() <= before:
                self.assertLess(time.monotonic(), patience, "traffic has ended")
                time.sleep(0.2)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as page:
                self.assertTrue(re.search("<title>.*podrtt", page.read().decode()))
            rest, _ = demo.communicate("q", timeout=120)
            self.assertIn("All checks hold.", rest)
            self.assertEqual(demo.returncode, 0)
            with self.assertRaises(urllib.error.URLError):
                connections()
        finally:
            demo.kill()


if __name__ == "__main__":
    unittest.main()
