# SPDX-License-Identifier: Apache-2.0
"""podrtt in the chains of real runtimes: containerd's CRI as kubelet calls it, and podman.
Run by e2e/rig/isolate."""

import hashlib
import json
import pathlib
import re
import subprocess
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import grpc

import containerd
import node
import podman
from node import (PINS, ROOT, TRAFFIC, Daemon, in_netns, near_server, own_filters, requests, run, samples, serve,
                  wait_until)

PORT = 8080
RANGES = {4: ("10.99.0.0/16", "0.0.0.0/0"), 6: ("fd99::/64", "::/0")}


def ipam(*families):
    return {"type": "host-local", "dataDir": "/run/ipam", "ranges": [[{"subnet": RANGES[family][0]}] for family in families],
            "routes": [{"dst": RANGES[family][1]} for family in families]}


PTP = {"type": "ptp", "ipam": ipam(4)}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}


def conflist(*plugins, version="1.0.0"):
    return {"cniVersion": version, "name": "podnet", "plugins": list(plugins)}


GOOD = conflist(PTP, PORTMAP, {"type": "podrtt"})


def setUpModule():
    node.prepare()
    run("mount", "--make-rshared", "/run")  # for the namespaces that runtimes mount there
    node.own_cni_state()
    global NEAR, DAEMON, CONTAINERD
    CONTAINERD = containerd.Containerd()
    NEAR = near_server(PORT)
    DAEMON = Daemon("--grace-period", "1")


def use(conflist):
    """Gives containerd the chain, and waits until it has read it."""
    containerd.write_conflist(conflist)
    time.sleep(0.3)
    wait_until(lambda: CONTAINERD.conditions()["NetworkReady"], "the network is ready")


def infos(name):
    """The labels of the pod's podrtt_pod_info, one for each interface."""
    return [dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in DAEMON.metrics().splitlines()
            if line.startswith("podrtt_pod_info{") and f'pod="{name}"' in line]


def assert_nothing_left(test, name, host_interface):
    # The kernel takes a network namespace and its veths down in a worker, after `ip netns delete` has ended.
    wait_until(lambda: host_interface not in run("ip", "link"), f"{host_interface} is gone")
    wait_until(lambda: not infos(name), f"{name} has left /metrics")
    pods = run("bpftool", "map", "dump", "pinned", PINS / "pods")
    test.assertNotIn(f'"name": "{name}"', pods)


class ContainerdTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.runtime = CONTAINERD

    def setUp(self):
        use(GOOD)

    def run_measured(self, name, **options):
        """A sandbox of which identity, attachment and samples are as they should be."""
        pod = self.runtime.run_sandbox("shop", name, **options)
        info, = infos(name)
        self.assertEqual((info["namespace"], info["uid"], info["container_id"], info["interface"]),
                         ("shop", pod.uid, pod.id, "eth0"))
        pod.host_interface = info["host_interface"]
        self.assertEqual(len(own_filters(pod.host_interface)), 2)
        before = samples(pod, "network", "handshake"), samples(pod, "pod", "handshake")
        for address in (NEAR.v4, NEAR.v6) if len(pod.addresses) > 1 else (NEAR.v4,):
            requests(pod, address, PORT, 3, 5)
            before = before[0] + 3, before[1] + 3
            self.assertEqual((samples(pod, "network", "handshake"), samples(pod, "pod", "handshake")), before)
        return pod

    def remove(self, pod):
        pod.remove()
        # At once, but for ptp's without the sandbox's namespace: it goes with the last process.
        wait_until(lambda: pod.host_interface not in run("ip", "link"), "the veth is gone")
        assert_nothing_left(self, pod.name, pod.host_interface)

    def test_sandbox_is_measured_and_leaves_nothing(self):
        self.remove(self.run_measured("web-0"))

    def test_dual_stack(self):
        use(conflist({"type": "ptp", "ipam": ipam(4, 6)}, PORTMAP, {"type": "podrtt"}))
        pod = self.run_measured("dual")
        self.assertEqual(len(pod.addresses), 2)
        self.remove(pod)

    def test_every_version_of_the_specification(self):
        # libcni asks plugins for the versions they speak, so 1.1.0 is beyond Debian's ptp.
        for version in ("", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"):
            with self.subTest(version):
                use({**GOOD, "cniVersion": version})
                self.remove(self.run_measured(f"version-{version.replace('.', '-')}"))

    def test_list_without_a_version(self):
        use({key: value for key, value in GOOD.items() if key != "cniVersion"})
        self.remove(self.run_measured("no-version"))

    def test_ipv6_alone(self):
        use(conflist({"type": "ptp", "ipam": ipam(6)}, {"type": "podrtt"}))
        pod = self.runtime.run_sandbox("shop", "v6")
        pod.host_interface = infos("v6")[0]["host_interface"]
        requests(pod, NEAR.v6, PORT, 4, 5)
        self.assertEqual(samples(pod, "network", "handshake"), 4)
        self.remove(pod)

    def test_host_port_is_measured_behind_portmap(self):
        pod = self.run_measured("published", host_port=18080)
        server = serve(["nsenter", f"--net={pod.netns}"], PORT)
        before = samples(pod, "pod", "handshake")
        client = subprocess.run(in_netns("near", *TRAFFIC, "requests", "10.200.0.1", 18080, 5, 5), check=False)
        self.assertEqual(client.returncode, 0)
        self.assertEqual(samples(pod, "pod", "handshake"), before + 5)
        server.kill()
        self.remove(pod)

    def test_add_that_fails_later_in_the_chain_leaves_nothing(self):
        plugin = containerd.PLUGINS / "refuse"
        plugin.write_text('#!/bin/sh\ncat >/dev/null\n[ "$CNI_COMMAND" = ADD ] || exit 0\n'
                          'echo \'{"cniVersion":"1.0.0","code":7,"msg":"refused"}\'\nexit 1\n', encoding="utf-8")
        plugin.chmod(0o755)
        use(conflist(PTP, {"type": "podrtt"}, {"type": "refuse"}))
        with self.assertRaisesRegex(grpc.RpcError, "refused"):
            self.runtime.run_sandbox("shop", "refused")
        wait_until(lambda: not infos("refused"), "the pod has left /metrics")
        self.assertNotIn("veth", run("ip", "-brief", "link", "show", "type", "veth").replace(NEAR.device, ""))

    def test_stop_may_be_repeated(self):
        pod = self.run_measured("twice")
        pod.stop()
        pod.stop()
        self.remove(pod)

    def test_sandbox_survives_restart_and_kill_of_the_runtime(self):
        pod = self.run_measured("survivor")
        for kill in (False, True):
            self.runtime.stop(kill)
            requests(pod, NEAR.v4, PORT, 2, 5)
            self.runtime.start()
            requests(pod, NEAR.v4, PORT, 2, 5)
        self.assertEqual(samples(pod, "network", "handshake"), 3 + 8)
        self.remove(pod)

    def test_sandbox_whose_namespace_vanished_can_be_removed(self):
        pod = self.run_measured("vanished")
        run("umount", "--lazy", pod.netns)
        pathlib.Path(pod.netns).unlink()
        self.remove(pod)

    def test_name_that_comes_back_is_another_pod(self):
        old = self.run_measured("db-0")
        new = self.runtime.run_sandbox("shop", "db-0")  # as of a StatefulSet, before DEL of the old one
        old.remove()
        info, = infos("db-0")
        self.assertEqual(info["container_id"], new.id)
        before = samples(new, "network", "handshake")
        requests(new, NEAR.v4, PORT, 2, 5)
        self.assertEqual(samples(new, "network", "handshake"), before + 2)
        new.host_interface = info["host_interface"]
        self.remove(new)

    def test_thirty_sandboxes_at_once(self):
        names = [f"many-{number}" for number in range(30)]
        with ThreadPoolExecutor(10) as pool:
            pods = list(pool.map(lambda name: self.runtime.run_sandbox("shop", name), names))
            for pod in pods:
                pod.host_interface = infos(pod.name)[0]["host_interface"]
                self.assertEqual(len(own_filters(pod.host_interface)), 2)
            list(pool.map(lambda pod: pod.remove(), pods))
        for pod in pods:
            assert_nothing_left(self, pod.name, pod.host_interface)

    def test_closed_policy_refuses_the_sandbox_without_a_daemon(self):
        use(conflist(PTP, {"type": "podrtt", "pinPath": "/sys/fs/bpf/nobody", "failurePolicy": "closed"}))
        with self.assertRaisesRegex(grpc.RpcError, "the pod is not measured"):
            self.runtime.run_sandbox("shop", "closed")
        use(conflist(PTP, {"type": "podrtt", "pinPath": "/sys/fs/bpf/nobody"}))
        self.runtime.run_sandbox("shop", "open").remove()


class InstallTest(unittest.TestCase):
    """The daemon keeps the plugin in the chain while another writes the list anew, again and again, as
    Azure's CNS does at its start; and pods are created all the time."""

    def setUp(self):
        global DAEMON
        (containerd.PLUGINS / "podrtt").unlink()
        use(conflist(PTP, PORTMAP))
        DAEMON.stop()
        DAEMON = Daemon("--grace-period", "1", "--install", "--cni-conf-dir", str(containerd.CONFLISTS),
                        "--cni-bin-dir", str(containerd.PLUGINS), "--plugin", str(node.BIN / "podrtt"))
        wait_until(lambda: "podrtt_plugin_installed 1" in DAEMON.metrics(), "the plugin is installed")

    def tearDown(self):
        global DAEMON
        DAEMON.stop()
        DAEMON = Daemon("--grace-period", "1")

    def test_no_sandbox_fails_while_the_list_is_written_anew(self):
        ended = threading.Event()
        written = 0

        def write_again():
            nonlocal written
            while not ended.wait(0.4):
                containerd.write_conflist(conflist(PTP, PORTMAP))
                written += 1

        writer = threading.Thread(target=write_again)
        writer.start()
        try:
            with ThreadPoolExecutor(3) as pool:
                pods = list(pool.map(lambda number: CONTAINERD.run_sandbox("shop", f"rewritten-{number}"), range(120)))
        finally:
            ended.set()
            writer.join()
        self.assertGreater(written, 2)
        entry = containerd.CONFLISTS / "10-test.conflist"
        wait_until(lambda: json.loads(entry.read_text(encoding="utf-8"))["plugins"][-1]["type"] == "podrtt", "the entry is back")
        by_plugin = sum(len(infos(pod.name)) for pod in pods)
        self.assertGreater(by_plugin, 0)
        # Those that were created without the plugin are in libcni's cache.
        wait_until(lambda: all(infos(pod.name) for pod in pods), "all pods are known", 60)
        for pod in pods:
            self.assertEqual(len(own_filters(infos(pod.name)[0]["host_interface"])), 2)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda pod: pod.remove(), pods))
        print(f"{written} times written, {by_plugin} of {len(pods)} pods told of by the plugin")


class AdoptionTest(unittest.TestCase):
    """Pods that no plugin has told of are found in libcni's cache."""

    CACHE = pathlib.Path("/var/lib/cni/results")

    @staticmethod
    def restart():
        global DAEMON
        DAEMON.stop()
        DAEMON = Daemon("--grace-period", "1")

    def assert_measured(self, pod, uid):
        info, = infos(pod.name)
        self.assertEqual((info["namespace"], info["uid"], info["container_id"]), ("shop", uid, pod.id))
        self.assertEqual(len(own_filters(info["host_interface"])), 2)
        before = samples(pod, "network", "handshake")
        requests(pod, NEAR.v4, PORT, 3, 5)
        self.assertEqual(samples(pod, "network", "handshake"), before + 3)
        return info["host_interface"]

    def test_sandbox_that_existed_before_the_install(self):
        use(conflist(PTP))
        pod = CONTAINERD.run_sandbox("shop", "older")
        self.assertEqual(infos("older"), [])
        self.restart()
        wait_until(lambda: infos("older"), "the pod is adopted")
        host = self.assert_measured(pod, pod.uid)
        self.assertIn('podrtt_repairs_total{repair="adopted"} 1\n', DAEMON.metrics())
        pod.remove()
        assert_nothing_left(self, "older", host)

    def azure_pod(self, name, container_id, routed=True):
        """As azure-vnet leaves it: a host route, a name made from the pod's, and no namespace in the
        cache of an older libcni."""
        host = "azv" + hashlib.sha1(f"shop.{name}".encode()).hexdigest()[:11]
        node.add_netns(name)
        run("ip", "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", host, "up")
        run(*in_netns(name, "ip", "address", "add", "10.244.1.23/32", "dev", "eth0"))
        run(*in_netns(name, "ip", "link", "set", "eth0", "up"))
        mac = json.loads(run("ip", "--json", "link", "show", "dev", host))[0]["address"]
        run(*in_netns(name, "ip", "neighbour", "add", "169.254.1.1", "lladdr", mac, "dev", "eth0"))
        run(*in_netns(name, "ip", "route", "add", "169.254.1.1", "dev", "eth0"))
        run(*in_netns(name, "ip", "route", "add", "default", "via", "169.254.1.1"))
        if routed:
            run("ip", "route", "replace", "10.244.1.23/32", "dev", host)
        self.CACHE.mkdir(exist_ok=True, parents=True)
        (self.CACHE / f"azure-{container_id}-eth0").write_text(json.dumps({
            "kind": "cniCacheV1", "containerId": container_id, "config": "", "ifName": "eth0", "networkName": "azure",
            "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "shop"], ["K8S_POD_NAME", name], ["K8S_POD_UID", "u"]],
            "result": {"cniVersion": "0.3.0", "interfaces": [{"name": "eth0"}], "dns": {},
                       "ips": [{"version": "4", "address": "10.244.1.23/16", "gateway": "169.254.1.1"}]}}))
        pod = containerd.Sandbox.__new__(containerd.Sandbox)
        pod.name, pod.id, pod.netns = name, container_id, f"/run/netns/{name}"
        return pod

    def test_pod_of_azure_is_known_by_its_route_and_its_name(self):
        pod = self.azure_pod("azure-0", "a" * 64)
        (self.CACHE / f"azure-{'b' * 64}-eth0").write_text("{torn")
        self.restart()
        wait_until(lambda: infos("azure-0"), "the pod is adopted")
        host = self.assert_measured(pod, "u")
        run("ip", "netns", "delete", "azure-0")
        assert_nothing_left(self, "azure-0", host)

    def test_neither_a_name_nor_an_address_is_enough(self):
        self.azure_pod("unrouted", "c" * 64, routed=False)
        self.azure_pod("renamed", "d" * 64)
        host = "azv" + hashlib.sha1(b"shop.renamed").hexdigest()[:11]
        run("ip", "link", "set", host, "down")
        run("ip", "link", "set", host, "name", "azv00000000000", "up")
        run("ip", "route", "replace", "10.244.1.23/32", "dev", "azv00000000000")
        self.restart()
        time.sleep(1.5)
        self.assertEqual(infos("unrouted") + infos("renamed"), [])
        for name in ("unrouted", "renamed"):
            run("ip", "netns", "delete", name)

    def test_cache_of_before_the_reboot_adopts_nothing(self):
        self.CACHE.mkdir(exist_ok=True, parents=True)
        for folder in (ROOT / "unit-tests/data/cni-captures/libcni-cache").iterdir():
            for file in folder.iterdir():
                (self.CACHE / file.name).write_bytes(file.read_bytes())
        self.restart()
        time.sleep(1.5)
        self.assertNotIn("podrtt_pod_info{", DAEMON.metrics())


class PodmanTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Other addresses than those of ptp's pods, which may still be routed.
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True,
                  "ipam": {**ipam(4), "ranges": [[{"subnet": "10.97.0.0/16"}]]}}
        cls.runtime = podman.Podman(conflist(bridge, PORTMAP, {"type": "podrtt"}))

    def test_container_is_measured_and_leaves_nothing(self):
        container = self.runtime.start("w1")
        info, = infos("w1")
        self.assertEqual((info["namespace"], info["container_id"]), ("", container.id))
        self.assertEqual(len(own_filters(info["host_interface"])), 2)
        requests(container, NEAR.v4, PORT, 3, 5)
        self.assertEqual(samples(container, "network", "handshake"), 3)
        container.remove()
        assert_nothing_left(self, "w1", info["host_interface"])

    def test_reload_of_the_network_keeps_the_series(self):
        container = self.runtime.start("w2")
        requests(container, NEAR.v4, PORT, 3, 5)
        before, = infos("w2")
        container.reload()
        wait_until(lambda: [info["host_interface"] for info in infos("w2")] != [before["host_interface"]],
                   "the container has another veth")
        requests(container, NEAR.v4, PORT, 3, 5)
        self.assertEqual(samples(container, "network", "handshake"), 6)
        after = infos("w2")[-1]
        container.remove()
        assert_nothing_left(self, "w2", after["host_interface"])


if __name__ == "__main__":
    unittest.main()
