# SPDX-License-Identifier: Apache-2.0
"""Every query of every panel of the dashboards, and every recording rule, in a real Prometheus that scrapes a
real daemon under traffic, with classic and with native histograms. Run by e2e/rig/isolate."""

import math
import re
import subprocess
import time
import unittest

import node
from dashboards import DASHBOARDS, VALUES, filled_in, panels, write_config
from node import TRAFFIC, Chain, Daemon, Peer, Pod, in_netns, run, serve, serve_names
from prometheus import Prometheus, ask, query


class DashboardsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        node.prepare()
        run("sysctl", "-qw", "kernel.bpf_stats_enabled=1")
        cls.daemon = Daemon("--icmp")
        cls.far = Peer("far", 203)
        cls.far.connect_by_delay_line(2000, "/run/line.log", loss_permille=20)  # so that there is something to recover from
        serve(in_netns("far"), 8080)
        cls.pod = Pod(Chain(), "shop", "web").create()
        serve(in_netns(cls.pod.netns), 8080)  # so that there are connects of both legs
        for enter in (in_netns("far"), in_netns(cls.pod.netns)):
            serve_names(enter)
        cls.send(1, 1).wait(30)  # so that there is something to scrape
        cls.config = write_config([("shop", "web", "web")])

    @classmethod
    def send(cls, connections, requests):
        return cls.pod.popen(*TRAFFIC, "requests", cls.far.v4, "8080", str(connections), str(requests),
                             stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        run("sysctl", "-qw", "kernel.bpf_stats_enabled=0")

    def assert_all_panels_have_data(self, native):
        for name, dashboard in DASHBOARDS.items():
            if native and name == "workload":  # this Prometheus may be older than 2.45
                continue
            for panel in panels(dashboard):
                with self.subTest(dashboard=name, panel=panel["title"]):
                    results = [result for target in panel["targets"] for result in query(filled_in(target["expr"]))]
                    self.assertTrue(results, "no data")
                    # A native histogram has no value, but quantiles of nothing are no number.
                    self.assertTrue([value for _, value in results if value is None or math.isfinite(value)])
                    labels = set(results[0][0])
                    for link in panel["fieldConfig"]["defaults"]["links"]:
                        self.assertLessEqual(set(re.findall(r"(?:labels|fields)\.(\w+)", link["url"])), labels)

    def assert_variables_have_values(self):
        variables = {variable["name"]: variable for dashboard in DASHBOARDS.values()
                     for variable in dashboard["templating"]["list"] if variable["type"] == "query"}
        self.assertEqual(set(variables), {"cluster", "node", "namespace", "workload", "pod"})
        for name, variable in variables.items():
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
            values = {series[label] for series in ask("series", **{"match[]": filled_in(selector)})}
            self.assertTrue(values)
            self.assertIn(VALUES[f"${name}"], {*values, ".*"})

    def assert_rules_have_recorded(self, native):
        groups = ask("rules", type="record")["groups"]
        for rule in (rule for group in groups for rule in group["rules"]):
            self.assertEqual(rule["health"], "ok", rule.get("lastError"))
            if native and "workload" in rule["name"]:  # this Prometheus may be older than 2.45
                continue
            with self.subTest(rule=rule["name"]):
                values = [value for _, value in query(rule["name"])]
                self.assertTrue(values)
                self.assertTrue(all(0 < value < 2 for value in values), values)

    def test_with_real_data(self):
        for options in ((), ("--enable-feature=native-histograms",)):
            with self.subTest(options=options), Prometheus(*options, config=self.config):
                traffic = [self.send(20, 40) for _ in range(8)]
                traffic += [self.pod.popen(*TRAFFIC, "ping", self.far.v4, "200", stdout=subprocess.DEVNULL)]
                traffic += [subprocess.Popen(in_netns("far", *TRAFFIC, "ping", self.pod.v4, "200"), stdout=subprocess.DEVNULL)]
                traffic += [subprocess.Popen(in_netns("far", *TRAFFIC, "requests", self.pod.v4, "8080", "50", "20"))]
                self.assertEqual({process.wait(60) for process in traffic}, {0})
                for netns, address in ((self.pod.netns, self.far.v4), ("far", self.pod.v4)):
                    run(*in_netns(netns, *TRAFFIC, "resolve", address, "www", "200"))
                time.sleep(2.5)  # two more scrapes
                self.assert_all_panels_have_data(native=bool(options))
                self.assert_variables_have_values()
                self.assert_rules_have_recorded(native=bool(options))

    def test_links_lead_to_dashboards_and_variables_that_exist(self):
        known = {dashboard["uid"]: {variable["name"] for variable in dashboard["templating"]["list"]}
                 for dashboard in DASHBOARDS.values()}
        for dashboard in DASHBOARDS.values():
            for panel in panels(dashboard):
                for link in panel["fieldConfig"]["defaults"]["links"]:
                    uid, arguments = re.fullmatch(r"/d/([\w-]+)\?(.*)", link["url"]).groups()
                    self.assertLessEqual(set(re.findall(r"var-(\w+)", arguments)), known[uid])

    def test_every_panel_says_what_it_shows(self):
        for dashboard in DASHBOARDS.values():
            self.assertTrue(dashboard["description"])
            for panel in panels(dashboard):
                self.assertTrue(panel["description"], panel["title"])
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])


if __name__ == "__main__":
    unittest.main()
