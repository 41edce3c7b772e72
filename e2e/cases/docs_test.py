# SPDX-License-Identifier: Apache-2.0
"""The documentation against the real thing: metrics, options and alerts. Run by e2e/rig/isolate."""

import re
import unittest

import node
from node import BIN, ROOT, TRAFFIC, Chain, Daemon, Peer, Pod, in_netns, near_server, run, serve, serve_names, wait_until

# What tells one series of a histogram from another beside its labels.
OF_HISTOGRAMS = {"le"}


def rows(text):
    """The rows of Markdown tables, as lists of cells; bars within code are part of it."""
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines()
            if line.startswith("| `")]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


class DocsTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        node.prepare()

    def served(self):
        """Type and labels of each family that a real daemon serves under traffic of all kinds."""
        run("sysctl", "-qw", "kernel.bpf_stats_enabled=1")
        run("mkdir", "/run/net.d", "/run/bin")
        daemon = Daemon("--icmp", "--install", "--cni-conf-dir", "/run/net.d", "--cni-bin-dir", "/run/bin")
        peer = near_server(8080)
        pod = Pod(Chain(), "shop", "web").create()
        self.assertEqual(pod.popen(*TRAFFIC, "requests", peer.v4, "8080", "3", "5").wait(30), 0)
        run(*in_netns(pod.netns, *TRAFFIC, "ping", peer.v4, 2))
        far = Peer("lossy", 201)
        far.connect_by_delay_line(1000, "/run/line.log", lose_each=3)
        serve(in_netns(far.name), 8080)
        far.wait_until_reached()
        self.assertEqual(pod.popen(*TRAFFIC, "requests", far.v4, "8080", "1", "6").wait(30), 0)
        far.disconnect()
        names = serve_names(in_netns(peer.name))
        run(*in_netns(pod.netns, *TRAFFIC, "resolve", peer.v4, "www", 1))
        names.kill()
        wait_until(lambda: "podrtt_pod_attached{" in daemon.metrics(), "the daemon has looked at the pod")
        families = {}
        for line in daemon.metrics().splitlines():
            if found := re.match(r"# TYPE (\S+) (\S+)", line):
                family = found.group(1)
                families[family] = (found.group(2), set())
            elif not line.startswith("#"):
                self.assertTrue(line.startswith(family), line)
                families[family][1].update(re.findall(r'(\w+)="', line))
        daemon.stop()
        run("sysctl", "-qw", "kernel.bpf_stats_enabled=0")
        return {name: (kind, labels - OF_HISTOGRAMS) for name, (kind, labels) in families.items()}

    def test_metrics_are_those_that_are_served(self):
        told = {cells[0].strip("`"): (cells[1], set(filter(None, cells[2].split(", "))))
                for cells in rows(read("docs/metrics.md")) if len(cells) == 4}
        self.assertEqual(told, self.served())

    def test_options_are_those_that_there_are(self):
        reference = read("docs/reference.md")
        for command, elsewhere in (("run", {"--pin-path", "--config"}), ("top", set()), ("stream", set())):
            section = reference.split(f"## `podrttd {command}`\n")[1].split("\n## ")[0]
            told = set(re.findall(r"--[a-z][a-z.-]+", " ".join(cells[0] for cells in rows(section))))
            heads = re.findall(r"^  (-\S+)", run(BIN / "podrttd", command, "--help"), re.MULTILINE)
            there = set(re.findall(r"--[a-z][a-z.-]+", " ".join(heads))) | elsewhere
            self.assertEqual(told, there - {"--help"})

    def test_manual_and_completion_have_the_same_options_as_help(self):
        manual = run(BIN / "podrttd", "man").replace("\\-", "-")
        bash = run(BIN / "podrttd", "completion", "bash")
        zsh = run(BIN / "podrttd", "completion", "zsh")
        commands = re.findall(r"^  ([a-z-]+) ", run(BIN / "podrttd", "--help").split("Subcommands:")[1], re.MULTILINE)
        self.assertIn("run", commands)
        self.assertEqual(set(commands), set(re.search(r'options="(run [^"]*)"', bash).group(1).split()))
        for command in commands:
            heads = re.findall(r"^  (-\S+)", run(BIN / "podrttd", command, "--help"), re.MULTILINE)
            options = set(re.findall(r"--[a-z][a-z.-]+", " ".join(heads)))
            section = re.search(rf"^\.SS podrttd {command}\n(.*?)(?=^\.S[SH])", manual, re.MULTILINE | re.DOTALL).group(1)
            self.assertEqual(options, set(re.findall(r"--[a-z][a-z.-]+", " ".join(re.findall(r"^\\fB(.*)\\fR", section, re.MULTILINE)))))
            everywhere = options | {"--config", "--pin-path"}
            completed = re.search(rf'^ +{command}\) options="([^"]*)"', bash, re.MULTILINE).group(1)
            self.assertEqual(everywhere, {word for word in completed.split() if word.startswith("--")})
            completed = re.search(rf"^    {command}\)(.*?);;", zsh, re.MULTILINE | re.DOTALL).group(1)
            self.assertEqual(everywhere, set(re.findall(r"'(--[a-z.-]+)\[", completed)))

    def test_alerts_are_those_that_there_are(self):
        told = re.findall(r"^## (\w+)$", read("docs/alerts.md"), re.MULTILINE)
        there = re.findall(r"- alert: (\w+)", read("manifests/rules/podrtt.rules.yml"))
        self.assertEqual(told, there)
        # Of GitHub's anchors.
        self.assertEqual(re.findall(r"runbook_url: docs/alerts.md#(\w+)$", read("manifests/rules/podrtt.rules.yml"), re.MULTILINE),
                         [name.lower() for name in there])

    def test_links_lead_to_files(self):
        for page in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))):
            for target in re.findall(r"\]\(([^)#:]+)\)", read(page)):
                with self.subTest(page=page, target=target):
                    self.assertTrue(((ROOT / page).parent / target).exists())


if __name__ == "__main__":
    unittest.main()
