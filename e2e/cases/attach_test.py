# SPDX-License-Identifier: Apache-2.0
"""The forms of attachment, each under real traffic, and packets as other programs leave
them. Run by e2e/rig/isolate."""

import json
import pathlib
import platform
import re
import socket
import struct
import sys
import unittest

import node
from node import BIN, PINS, Chain, Daemon, Pod, in_netns, near_server, requests, run, samples, top, wait_until

PORT = 8080
KERNEL = tuple(int(number) for number in re.findall(r"\d+", platform.release())[:2])
OTHER = "10.200.0.3"  # of NEAR, too
REROUTE = pathlib.Path("/sys/fs/bpf/reroute")


def setUpModule():
    node.prepare()
    global NEAR
    NEAR = near_server(PORT)
    run(*in_netns(NEAR.name, "ip", "address", "add", f"{OTHER}/24", "dev", "eth0"))
    run("bpftool", "prog", "loadall", BIN.parent / "e2e/reroute.bpf.o", REROUTE, "pinmaps", f"{REROUTE}_maps")


def attach_bpf(program, device, hook, *options, enter=()):
    run(*enter, "tc", "filter", "add", "dev", device, hook, *options, "bpf", "direct-action", "object-pinned",
        REROUTE / program)


class AttachTest(unittest.TestCase):
    def start(self, *options):
        self.log = open("/run/podrttd.log", "w+", encoding="utf-8")
        self.daemon = Daemon("--grace-period", "1", *options, stderr=self.log)
        self.addCleanup(self.stop)

    def stop(self):
        self.daemon.stop()
        self.log.close()

    def reason(self, pod):
        found = re.search(rf'podrtt_pod_attached{{.*pod="{pod.name}",reason="(.*)"}} (\d)', self.daemon.metrics())
        return found and found.groups()

    def assert_measured(self, pod):
        before = {leg: samples(pod, leg, "handshake") for leg in ("network", "pod")}
        resent = pod.syn_retransmits()
        requests(pod, NEAR.v4, PORT, 3, 5)
        requests(pod, NEAR.v6, PORT, 3, 5)
        for leg in ("network", "pod"):
            seen = samples(pod, leg, "handshake") - before[leg]
            self.assertLessEqual(seen, 6)
            self.assertGreaterEqual(seen, 6 - (pod.syn_retransmits() - resent))

    def test_clsact_is_what_pods_get(self):
        self.start()
        pod = Pod(Chain(), "attach", "usual").create()
        self.assert_measured(pod)
        wait_until(lambda: self.reason(pod) == ("clsact", "1"), "the form is reported")
        pod.delete()

    @unittest.skipIf(KERNEL < (6, 6), "TCX came with Linux 6.6")
    def test_tcx(self):
        self.start("--attach", "tcx")
        pod = Pod(Chain(), "attach", "tcx").create()
        self.assertNotIn("podrtt", run("tc", "filter", "show", "dev", pod.host_veth, "ingress"))
        self.assert_measured(pod)
        wait_until(lambda: self.reason(pod) == ("tcx", "1"), "the form is reported")
        pod.delete()

    def test_inside_the_pod(self):
        self.start("--attach", "pod")
        pods = [Pod(Chain(), "attach", f"inside-{i}").create() for i in range(2)]
        for pod in pods:  # whose interfaces may have the same number
            self.assertIn("podrtt_to_pod", run(*in_netns(pod.netns, "tc", "filter", "show", "dev", "eth0", "ingress")))
            self.assert_measured(pod)
            wait_until(lambda: self.reason(pod) == ("pod", "1"), "the form is reported")
            self.assertIn(f'pod="{pod.name}",uid="{pod.uid}",container_id="{pod.container_id}",interface="eth0",'
                          f'host_interface="{pod.host_veth}"', self.daemon.metrics())
        pods[0].chain.call("CHECK", {"type": "podrtt"}, pods[0].environment, pods[0].result)
        for pod in pods:
            pod.delete()
        wait_until(lambda: 'pod="inside-0"' not in self.daemon.metrics(), "the series have left")
        self.assertIn('podrtt_namespace_tcp_handshake_seconds_count{namespace="attach",leg="network"',
                      self.daemon.metrics())

    def test_running_pods_move_inside_when_told(self):
        self.start()
        pod = Pod(Chain(), "attach", "moved").create()
        self.assert_measured(pod)
        self.stop()
        self.log = open("/run/podrttd.log", "w+", encoding="utf-8")
        self.daemon = Daemon("--grace-period", "1", "--attach", "pod", stderr=self.log)
        wait_until(lambda: self.reason(pod) == ("pod", "1"), "the pod is measured from inside")
        self.assertNotIn("podrtt", run("tc", "filter", "show", "dev", pod.host_veth, "ingress"))
        self.assert_measured(pod)
        self.assertGreaterEqual(samples(pod, "network", "handshake"), 10)
        pod.delete()

    def redirect(self, pod):
        """From now on, what near sends to the pod goes past its host veth."""
        link = json.loads(run(*in_netns(pod.netns, "ip", "-json", "link", "show", "eth0")))[0]
        host = json.loads(run("ip", "-json", "link", "show", pod.host_veth))[0]
        value = host["ifindex"].to_bytes(4, "little") + bytes.fromhex(link["address"].replace(":", "")) + bytes(2)
        run("bpftool", "map", "update", "pinned", f"{REROUTE}_maps/pod", "key", "0", "0", "0", "0", "value",
            *map(str, value))
        run("tc", "qdisc", "add", "dev", NEAR.device, "clsact")
        attach_bpf("to_pod_directly", NEAR.device, "ingress")
        self.addCleanup(run, "tc", "qdisc", "delete", "dev", NEAR.device, "clsact")

    def connect_until(self, pod, *reason):
        """With two peers again and again, as it takes some seconds to be believed."""
        def connected():
            requests(pod, NEAR.v4, PORT)
            requests(pod, OTHER, PORT)
            return self.reason(pod) == reason
        wait_until(connected, f"the state is {reason}", 60)

    def test_packets_past_the_host_veth_are_measured_inside(self):
        self.start()
        pod = Pod(Chain(), "attach", "past").create()
        self.redirect(pod)
        self.connect_until(pod, "pod", "1")
        self.assert_measured(pod)
        self.assertRegex(self.daemon.metrics(), 'podrtt_pod_flows_total{.*pod="past",matching="none"} [1-9]')
        pod.delete()

    def test_packets_past_the_host_veth_are_reported_when_it_is_forced(self):
        self.start("--attach", "clsact")
        pod = Pod(Chain(), "attach", "blind").create()
        self.redirect(pod)
        self.connect_until(pod, "one_direction", "0")
        pod.delete()

    def test_tags_inside_and_outside_of_the_packet(self):
        self.start()
        pod = Pod(Chain(), "attach", "tagged").create()
        inside = in_netns(pod.netns)
        run(*inside, "tc", "qdisc", "add", "dev", "eth0", "clsact")
        attach_bpf("push_tags", "eth0", "egress", enter=inside)
        attach_bpf("pop_tags", pod.host_veth, "ingress", "pref", "20000")
        self.assert_measured(pod)
        pod.delete()

    def test_headers_beyond_the_linear_part(self):
        """A large segment of which only the Ethernet header is linear."""
        self.start("--max-flows", "1024")  # the table is read whole
        pod = Pod(Chain(), "attach", "fragments").create()
        host = json.loads(run("ip", "-json", "link", "show", pod.host_veth))[0]["address"]
        inner = json.loads(run(*in_netns(pod.netns, "ip", "-json", "link", "show", "eth0")))[0]["address"]
        payload = 9000
        frame = bytes.fromhex((host + inner).replace(":", "")) + b"\x08\x00"
        frame += struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + payload, 1, 0x4000, 64, socket.IPPROTO_TCP, 0,
                             socket.inet_aton(pod.v4), socket.inet_aton(NEAR.v4))
        frame += struct.pack("!HHIIBBHHH", 45678, PORT, 1000, 1, 0x50, 0x18, 1000, 0, 0) + bytes(payload)
        # struct virtio_net_hdr: checksum from byte 34 on; TCPv4 GSO of 1400; 14 bytes linear
        header = struct.pack("<BBHHHH", 1, 1, 14, 1400, 34, 16)
        script = ("import socket, sys\n"
                  "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
                  "s.setsockopt(263, 15, 1)\n"  # SOL_PACKET, PACKET_VNET_HDR
                  "s.bind(('eth0', 0))\n"
                  "s.send(bytes.fromhex(sys.stdin.read()))\n")
        run(*in_netns(pod.netns, sys.executable, "-c", script), input=(header + frame).hex())
        port = socket.htons(45678)  # as bpftool shows a number in network byte order
        wait_until(lambda: f'"pod_port": {port},' in run("bpftool", "map", "dump", "pinned",
                                                         PINS / "flows"), "the segment has been seen")
        self.assertIn('podrtt_ignored_packets_total{reason="truncated"} 0\n', self.daemon.metrics())
        pod.delete()


class PurgeTest(unittest.TestCase):
    def test_nothing_of_podrtt_is_left_and_others_stay(self):
        before = self.programs()
        pods = {form: Pod(Chain(), "purge", form) for form in ("clsact", "pod", "tcx") if form != "tcx" or KERNEL >= (6, 6)}
        for form, pod in pods.items():
            daemon = Daemon("--attach", form)
            pod.create()
            daemon.stop()
        outside = pods["clsact"]
        attach_bpf("pop_tags", outside.host_veth, "ingress", "pref", "20000")
        others = [line for line in run("tc", "filter", "show", "dev", outside.host_veth, "ingress").splitlines()
                  if "pref 20000" in line]
        daemon = Daemon("--attach", "auto")
        nowhere = ("--cni-conf-dir", "/run/nowhere", "--cni-bin-dir", "/run/nowhere")
        with self.assertRaisesRegex(node.CommandFailed, "podrttd is running; stop it first"):
            run(BIN / "podrttd", "uninstall", "--purge", *nowhere)
        daemon.stop()
        self.assertIn("would detach", run(BIN / "podrttd", "uninstall", "--purge", "--dry-run", *nowhere))
        own = self.programs() - before
        self.assertNotEqual(own, set())
        run(BIN / "podrttd", "uninstall", "--purge", *nowhere)
        wait_until(lambda: own.isdisjoint(self.programs()), "the kernel has let the programs go")
        self.assertFalse(pathlib.Path("/sys/fs/bpf/podrtt").exists())
        self.assertEqual([line for line in run("tc", "filter", "show", "dev", outside.host_veth, "ingress").splitlines()
                          if "pref 20000" in line], others)
        run(BIN / "podrttd", "uninstall", "--purge", *nowhere)  # there is nothing left to do
        for pod in pods.values():
            requests(pod, NEAR.v4, PORT)
            pod.delete()

    @staticmethod
    def programs():
        """The ids of podrtt's programs; another podrtt may have some, too."""
        return {program["id"] for program in json.loads(run("bpftool", "--json", "prog", "list"))
                if program.get("name", "").startswith("podrtt_")}


class OptionsTest(unittest.TestCase):
    def test_peer_classes_are_read_again(self):
        config = pathlib.Path("/run/podrttd.json")
        config.write_text('{"peer": ["before=10.200.0.0/24"]}', encoding="utf-8")
        with open("/run/podrttd.log", "w+", encoding="utf-8") as log:
            daemon = Daemon("--grace-period", "1", "--config", config, stderr=log)

            def said(what):
                log.seek(0)
                return what in log.read()

            pod = Pod(Chain(), "attach", "reload").create()
            requests(pod, NEAR.v4, PORT)
            config.write_text('{"peer": ["before=10.200.0.1/24"]}', encoding="utf-8")
            daemon.process.send_signal(1)
            wait_until(lambda: said("beyond the prefix") and said("stay as they were"), "the mistake is named")
            requests(pod, NEAR.v4, PORT)
            config.write_text('{"peer": ["after=10.200.0.0/24"]}', encoding="utf-8")
            daemon.process.send_signal(1)
            wait_until(lambda: said("read the options again"), "the classes are in force")
            requests(pod, NEAR.v4, PORT)
            daemon.stop()
        found = {s["peer"]: s["samples"] for s in top()
                 if (s["pod"], s["leg"], s["kind"]) == ("reload", "pod", "handshake")}
        self.assertEqual(found, {"before": 2, "after": 1})
        pod.delete()


if __name__ == "__main__":
    unittest.main()
