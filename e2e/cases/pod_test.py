# SPDX-License-Identifier: Apache-2.0
"""What happens to pods from ADD to DEL. Run by e2e/rig/isolate."""

import json
import pathlib
import re
import subprocess
import time
import unittest

import node
from node import (BIN, PINS, TRAFFIC, Chain, Daemon, Pod, filters, in_netns, near_server, requests, run, samples, serve, top,
                  wait_until)

PORT = 8080


def setUpModule():
    node.prepare()
    global NEAR
    NEAR = near_server(PORT)


def assert_handshakes(test, pod, opened):
    for leg in ("network", "pod"):
        seen = samples(pod, leg, "handshake")
        test.assertLessEqual(seen, opened)
        test.assertGreaterEqual(seen, opened - pod.syn_retransmits())


def pods_in_map():
    return run("bpftool", "map", "dump", "pinned", PINS / "pods").count("container_id")


def programs(pod):
    """The ids of the programs on a pod's host veth."""
    return {re.search(r" id (\d+) ", line).group(1) for line in filters(pod.host_veth)}


class AzureChain(Chain):
    """Azure's plugin lists eth0 and nothing else, speaks 0.3.0, and gives DEL no prevResult."""

    def __init__(self):
        super().__init__("azure", "0.3.0")

    def call(self, command, plugin, environment, previous):
        if plugin["type"] == "podrtt" and previous is not None:
            previous = {"cniVersion": "0.3.0", "interfaces": [{"name": "eth0"}], "dns": {},
                        "ips": [{key: ip[key] for key in ("version", "address", "gateway")} for ip in previous["ips"]],
                        "routes": [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}]}
            self.seen = previous
        return super().call(command, plugin, environment, previous)


class PodTest(unittest.TestCase):
    def setUp(self):
        self.log = open("/run/podrttd.log", "w+", encoding="utf-8")
        self.daemon = Daemon("--grace-period", "1", "--sample-interval", "0", stderr=self.log)

    def tearDown(self):
        self.daemon.stop()
        self.log.seek(0)
        self.assertNotRegex(self.log.read(), r"\[(warning|error|critical)\]")
        self.log.close()

    def test_first_syn_of_a_pod_is_measured(self):
        pod = Pod(Chain(), "shop", "first-syn").create()
        requests(pod, NEAR.v4, PORT)
        assert_handshakes(self, pod, 1)
        pod.delete()

    def test_both_legs_of_both_families_are_measured(self):
        pod = Pod(Chain(), "shop", "families").create()
        for number, address in enumerate((NEAR.v4, NEAR.v6), 1):
            requests(pod, address, PORT, 3, 10)
            assert_handshakes(self, pod, 3 * number)
            for leg in ("network", "pod"):
                self.assertGreater(samples(pod, leg, "data"), 20 * number)
                self.assertLessEqual(samples(pod, leg, "data"), 30 * number)
        pod.delete()

    def test_program_runs_are_the_packets_of_the_veth(self):
        run("sysctl", "-qw", "kernel.bpf_stats_enabled=1")
        self.addCleanup(run, "sysctl", "-qw", "kernel.bpf_stats_enabled=0")
        pod = Pod(Chain(), "shop", "counted").create()

        def packets():
            counters = json.loads(run("ip", "--json", "-s", "link", "show", "dev", pod.host_veth))[0]["stats64"]
            return [counters[way]["packets"] for way in ("rx", "tx")]

        def runs_and_packets():
            """Of a moment in which no packet came between the two readings."""
            before = packets()
            time.sleep(0.1)
            metrics = self.daemon.metrics()
            runs = [re.search(rf'^podrtt_bpf_program_runs_total{{program="podrtt_{way}"}} (\S+)$', metrics, re.MULTILINE)
                    for way in ("from_pod", "to_pod")]
            time.sleep(0.1)
            if packets() == before:
                return [float(found.group(1)) if found else 0 for found in runs], before
            return None

        quiet = "a moment without packets"
        time.sleep(0.5)  # until IPv6 has introduced itself
        before = wait_until(runs_and_packets, quiet)
        requests(pod, NEAR.v4, PORT, 3, 10)
        after = wait_until(runs_and_packets, quiet)
        runs, passed = ([now - then for now, then in zip(*pair)] for pair in zip(after, before))
        self.assertEqual(runs, passed)
        self.assertGreater(min(runs), 30)
        pod.delete()

    def test_deleted_pod_leaves_nothing_but_its_namespaces_total(self):
        wait_until(lambda: pods_in_map() == 0, "the pods of other cases have left the pods map")
        pod = Pod(Chain(), "gone", "web-0").create()
        requests(pod, NEAR.v4, PORT, 5)
        self.assertEqual(pods_in_map(), 1)
        pod.delete()
        self.assertNotIn(pod.host_veth, run("ip", "link"))
        wait_until(lambda: pods_in_map() == 0, "the pod has left the pods map")
        metrics = self.daemon.metrics()
        self.assertNotIn('pod="web-0"', metrics)
        self.assertRegex(metrics, r'podrtt_namespace_tcp_handshake_seconds_count{namespace="gone",leg="network",'
                                  r'peer="private"} 5\n')

    def test_delete_may_be_repeated_and_come_without_add(self):
        chain = Chain()
        pod = Pod(chain, "shop", "twice").create()
        pod.delete()
        environment = {**pod.environment, "CNI_NETNS": ""}
        self.assertIsNone(chain.call("DEL", {"type": "podrtt"}, environment, None))
        self.assertIsNone(chain.call("DEL", {"type": "podrtt"}, {**environment, "CNI_CONTAINERID": "never"}, None))

    def test_identity_is_what_the_runtime_said(self):
        pod = Pod(Chain(), "shop", "named", uid="3d9d1b0e-7a4c-4d5e-9f0e-1b2c3d4e5f60").create()
        self.assertIn(f'podrtt_pod_info{{namespace="shop",pod="named",uid="{pod.uid}",'
                      f'container_id="{pod.container_id}",interface="eth0",host_interface="{pod.host_veth}"}} 1\n',
                      self.daemon.metrics())
        pod.delete()

    def test_chain_of_azures_shape(self):
        chain = AzureChain()
        pod = Pod(chain, "kube-system", "azure")
        node.add_netns(pod.netns)
        result = chain.add(pod.environment)
        self.assertEqual(result, chain.seen)
        pod.v4 = result["ips"][0]["address"]
        requests(pod, NEAR.v4, PORT, 2)
        assert_handshakes(self, pod, 2)
        chain.delete(pod.environment)
        run("ip", "netns", "delete", pod.netns)

    def test_filters_of_others_stay(self):
        pod = Pod(Chain(), "shop", "shared").create()
        for hook in ("ingress", "egress"):
            run("tc", "filter", "add", "dev", pod.host_veth, hook, "pref", "1", "handle", "1", "protocol", "all",
                "bpf", "bytecode", "1,6 0 0 0")
        self.assertEqual(len(filters(pod.host_veth)), 4)
        self.daemon.stop()
        self.daemon = Daemon("--grace-period", "1", "--sample-interval", "0", stderr=self.log)
        for hook in ("ingress", "egress"):
            wait_until(lambda: "podrtt_" in filters(pod.host_veth, hook)[0], "podrtt's filter runs first again")
        self.assertEqual(len(filters(pod.host_veth)), 4)
        pod.delete()

    def test_removed_qdisc_comes_back(self):
        """hack/bench repair says how soon."""
        pod = Pod(Chain(), "shop", "healed").create()
        for _ in range(5):
            wait_until(lambda: len(filters(pod.host_veth)) == 2, "both filters are there")
            run("tc", "qdisc", "delete", "dev", pod.host_veth, "clsact")
            wait_until(lambda: len(filters(pod.host_veth)) == 2, "both filters are back", 60)
        requests(pod, NEAR.v4, PORT)
        assert_handshakes(self, pod, 1)
        self.assertRegex(self.daemon.metrics(), r'podrtt_repairs_total{repair="attached"} [5-9]')
        pod.delete()

    def test_restart_of_the_daemon_loses_nothing(self):
        pod = Pod(Chain(), "shop", "restart").create()
        requests(pod, NEAR.v4, PORT, 4)
        old = programs(pod)
        self.daemon.stop()
        requests(pod, NEAR.v4, PORT, 4)  # while no daemon runs
        other = Pod(Chain(), "shop", "meanwhile").create()
        requests(other, NEAR.v4, PORT, 2)
        self.daemon = Daemon("--grace-period", "1", "--sample-interval", "0", stderr=self.log)
        wait_until(lambda: not old & (programs(pod) | programs(other)), "all pods have the new programs")
        self.assertEqual(len(programs(pod)), 2)
        requests(pod, NEAR.v4, PORT, 4)
        assert_handshakes(self, pod, 12)
        assert_handshakes(self, other, 2)
        pod.delete()
        other.delete()

    def test_metrics_pass_promtool(self):
        pod = Pod(Chain(), "shop", "promtool").create()
        requests(pod, NEAR.v6, PORT, 2, 2)
        done = subprocess.run(["promtool", "check", "metrics"], input=self.daemon.metrics(), capture_output=True,
                              text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        pod.delete()

    def test_peers_have_their_class(self):
        self.daemon.stop()
        self.daemon = Daemon("--grace-period", "1", "--peer", f"near={NEAR.v4}", stderr=self.log)
        pod = Pod(Chain(), "shop", "classes").create()
        requests(pod, NEAR.v4, PORT)
        requests(pod, NEAR.v6, PORT)
        self.assertEqual({s["peer"] for s in top() if s["pod"] == "classes"}, {"near", "private"})
        pod.delete()


class WithoutDaemonTest(unittest.TestCase):
    def test_pods_come_up_and_go(self):
        chain = Chain(podrtt={"pinPath": "/sys/fs/bpf/nobody"})
        pod = Pod(chain, "shop", "alone").create()
        self.assertEqual(filters(pod.host_veth), [])
        requests(pod, NEAR.v4, PORT, 2)
        pod.delete()

    def test_closed_policy_refuses_the_pod(self):
        chain = Chain(podrtt={"pinPath": "/sys/fs/bpf/nobody", "failurePolicy": "closed"})
        pod = Pod(chain, "shop", "refused")
        with self.assertRaisesRegex(node.CommandFailed, '"code":100'):
            pod.create()
        chain.delete(pod.environment)  # as a runtime does after a failed ADD


class DaemonTest(unittest.TestCase):
    def test_second_daemon_leaves_the_first_alone(self):
        daemon = Daemon("--grace-period", "1", "--peer", "first=192.0.2.0/24")
        before = run("bpftool", "map", "dump", "pinned", PINS / "peers")
        done = subprocess.run([BIN / "podrttd", "run"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another podrttd uses it", done.stderr)
        self.assertEqual(run("bpftool", "map", "dump", "pinned", PINS / "peers"), before)
        daemon.stop()

    def test_second_daemon_with_other_pins_leaves_what_the_first_measures(self):
        cache = pathlib.Path("/run/cache")
        cache.mkdir()
        first = Daemon("--grace-period", "1")
        pod = Pod(Chain(), "shop", "web").create()
        (cache / f"podnet-{pod.container_id}-eth0").write_text(json.dumps({
            "kind": "cniCacheV1", "containerId": pod.container_id, "ifName": "eth0", "networkName": "podnet",
            "netns": pod.environment["CNI_NETNS"], "result": pod.result,
            "cniArgs": [argument.split("=") for argument in pod.environment["CNI_ARGS"].split(";")]}), encoding="utf-8")
        with open("/run/monitor", "w", encoding="utf-8") as log:
            monitor = subprocess.Popen(["tc", "monitor"], stdout=log)
        second = Daemon("--grace-period", "1", "--cni-cache-dir", str(cache), listen="127.0.0.1:9436",
                        prefix=(), pin_path="/sys/fs/bpf/second")
        row = 'podrtt_pod_attached{namespace="shop",pod="web",reason="contended"} 0'
        wait_until(lambda: row in second.metrics(), "the second daemon leaves the pod to the first", 30)
        requests(pod, NEAR.v4, PORT, 20, 2)
        self.assertEqual(samples(pod, "network", "handshake"), 20)
        monitor.kill()
        self.assertEqual(pathlib.Path("/run/monitor").read_text(encoding="utf-8"), "")
        first.stop()
        wait_until(lambda: row not in second.metrics(), "the second daemon takes the pod over", 60)
        second.stop()
        pod.delete()

    def test_probes_of_the_node_are_a_class_of_their_own(self):
        for options, peer in (((), "node"), (("--no-node-peer",), "private")):
            daemon = Daemon("--grace-period", "1", *options)
            pod = Pod(Chain(), "shop", f"probed-by-{peer}").create()
            time.sleep(4)  # the address of the veth's host end is one of the node's from the next pass on
            server = serve(in_netns(pod.netns), PORT)
            run(*TRAFFIC, "requests", pod.v4, PORT, 3, 2)  # as kubelet does
            requests(pod, NEAR.v4, PORT, 4, 2)
            text = daemon.metrics()
            for leg, of, count in (("pod", peer, 3), ("network", "private", 4)):
                self.assertRegex(text, rf'podrtt_tcp_connect_seconds_count{{namespace="shop",pod="{pod.name}",leg="{leg}",peer="{of}"}} {count}\n')
            server.kill()
            pod.delete()
            daemon.stop()

    def test_port_that_is_taken_is_named(self):
        daemon = Daemon("--grace-period", "1")
        done = subprocess.run([BIN / "podrttd", "--pin-path", "/sys/fs/bpf/second", "run"], capture_output=True,
                              text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("listen on 127.0.0.1:9435", done.stderr)
        daemon.stop()

    def test_pin_path_outside_of_a_bpffs_is_refused(self):
        done = subprocess.run([BIN / "podrttd", "--pin-path", "/tmp/pins", "run"], capture_output=True, text=True,
                              timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/tmp/pins", done.stderr)
        self.assertIn("not on a bpffs", done.stderr)


if __name__ == "__main__":
    unittest.main()
