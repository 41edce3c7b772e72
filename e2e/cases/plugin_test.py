# SPDX-License-Identifier: Apache-2.0
"""The plugin as a runtime calls it: the protocol beside a reference plugin, what is missing or
broken around it, many calls at once, and calls that are killed. Run by e2e/rig/isolate."""

import itertools
import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

import node
from node import BIN, CNI_BIN, LAYOUT, NETNS, PINS, Daemon, in_netns, own_filters, run, wait_until

PLUGIN = BIN / "podrtt"
REFERENCE = CNI_BIN / "tuning"  # made with libcni's skeleton; knows versions up to 1.0.0
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


def setUpModule():
    node.prepare()


def environment(command, **changes):
    variables = {"CNI_COMMAND": command, "CNI_CONTAINERID": "0123abc", "CNI_NETNS": "/run/netns/none", "CNI_IFNAME": "eth0",
                 "CNI_PATH": "/opt/cni/bin", "CNI_ARGS": "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0", **changes}
    return {name: value for name, value in variables.items() if value is not None}


def config(version="1.0.0", **changes):
    previous = {"cniVersion": version, "interfaces": [{"name": "eth0"}], "dns": {}}
    keys = {"cniVersion": version, "name": "podnet", "type": "podrtt", "prevResult": previous, **changes}
    return json.dumps({name: value for name, value in keys.items() if value is not None})


def call(variables, stdin, plugin=PLUGIN, prefix=()):
    return subprocess.run([*prefix, plugin], env=variables, input=stdin, capture_output=True, text=True, timeout=30)


def since(version):
    return VERSIONS[VERSIONS.index(version):]


def before(version):
    return VERSIONS[:VERSIONS.index(version)]


# Rule: versions it holds for, environment, stdin, code of the error.
NO_PREVIOUS = {"prevResult": None}
REFUSED = {
    **{f"{command} without {variable}": (since(first), environment(command, **{variable: None}), {}, 4)
       for command, first, variables in (
           ("ADD", "0.1.0", ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH")),
           ("DEL", "0.1.0", ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH")),
           ("CHECK", "0.4.0", ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH")),
           ("GC", "1.1.0", ("CNI_PATH",)), ("STATUS", "1.1.0", ("CNI_PATH",)))
       for variable in variables},
    **{f"container id {value!r}": (VERSIONS, environment("ADD", CNI_CONTAINERID=value), {}, 4)
       for value in ("../x", ".x", "-x", "_x", "a/b", "a b", "ä")},
    **{f"interface {value!r}": (VERSIONS, environment("ADD", CNI_IFNAME=value), {}, 4)
       for value in (".", "..", "a/b", "a:b", "a b", "sixteen-letters0")},
    "unknown command": (VERSIONS, environment("MOVE"), {}, 4),
    **{f"network name {value!r}": (VERSIONS, environment("ADD"), {"name": value}, 7)
       for value in (None, "", ".x", "a/b", "-x", "a b")},
    "CHECK before its version": (before("0.4.0"), environment("CHECK"), {}, 1),
    "GC before its version": (before("1.1.0"), environment("GC"), {}, 1),
    "STATUS before its version": (before("1.1.0"), environment("STATUS"), {}, 1),
    "ADD without prevResult": (VERSIONS, environment("ADD"), NO_PREVIOUS, 7),
    "CHECK without prevResult": (since("0.4.0"), environment("CHECK"), NO_PREVIOUS, 7),
    "ADD in the plugin's own namespace": (VERSIONS, environment("ADD", CNI_NETNS="/proc/self/ns/net"), {}, 8),
    "GC with a bad list": (("1.1.0",), environment("GC"), {"cni.dev/valid-attachments": [{"ifname": "eth0"}]}, 7),
    "bad value of a key": (VERSIONS, environment("ADD"), {"timeoutMs": "soon"}, 7),
}

# What the reference of Debian 12 takes, is too old for, or does not ask for.
NOT_IN_REFERENCE = re.compile("prevResult|own namespace|bad value|bad list|^GC|^STATUS")

ACCEPTED = {
    "ADD": (VERSIONS, environment("ADD"), {}),
    "ADD with the namespace overridden": (
        VERSIONS, environment("ADD", CNI_NETNS="/proc/self/ns/net", CNI_NETNS_OVERRIDE="true"), {}),
    "ADD of no or an unknown version": (("", "1.2.0", "9.9.9", "x"), environment("ADD"), {}),
    "DEL of no or an unknown version": (("", "1.2.0", "9.9.9", "x"), environment("DEL"), {}),
    "DEL": (VERSIONS, environment("DEL"), {}),
    "DEL without namespace": (VERSIONS, environment("DEL", CNI_NETNS=None), {}),
    "DEL without prevResult": (VERSIONS, environment("DEL", CNI_NETNS=""), NO_PREVIOUS),
    "DEL after a bad key": (VERSIONS, environment("DEL"), {"timeoutMs": "soon"}),
    "CHECK": (since("0.4.0"), environment("CHECK"), {}),
    "GC": (("1.1.0",), environment("GC", CNI_CONTAINERID=None, CNI_IFNAME=None, CNI_NETNS=None), NO_PREVIOUS),
    "GC with a list": (("1.1.0",), environment("GC"),
                       {"cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}]}),
    "STATUS": (("1.1.0",), environment("STATUS", CNI_CONTAINERID=None, CNI_IFNAME=None, CNI_NETNS=None), NO_PREVIOUS),
    "ADD with capability arguments": (VERSIONS, environment("ADD"), {
        "capabilities": {"portMappings": True, "io.kubernetes.cri.pod-annotations": True},
        "runtimeConfig": {"portMappings": [], "io.kubernetes.cri.pod-annotations": None}}),
}


class ConformanceTest(unittest.TestCase):
    """The CNI specification, a row a rule, every version. No daemon runs."""

    def test_what_is_refused(self):
        for (rule, (versions, variables, keys, code)), reference in itertools.product(REFUSED.items(), (False, True)):
            if reference and NOT_IN_REFERENCE.search(rule):
                continue
            for version in versions if not reference else set(versions) - {"1.1.0"}:
                with self.subTest(rule, version=version, reference=reference):
                    done = call(variables, config(version, **keys), REFERENCE if reference else PLUGIN)
                    self.assertEqual(done.returncode, 1)
                    error = json.loads(done.stdout)
                    self.assertEqual(error["code"], code)
                    self.assertTrue(error["msg"])
                    self.assertEqual(done.stderr, "")
                    if not reference:
                        self.assertEqual(error["cniVersion"], version)

    def test_what_is_accepted(self):
        for rule, (versions, variables, keys) in ACCEPTED.items():
            for version in versions:
                with self.subTest(rule, version=version):
                    done = call(variables, config(version, **keys))
                    self.assertEqual((done.returncode, done.stdout if variables["CNI_COMMAND"] != "ADD" else ""), (0, ""))
                    if variables["CNI_COMMAND"] == "ADD":
                        self.assertEqual(json.loads(done.stdout), json.loads(config(version))["prevResult"])

    def test_stdin_that_is_no_configuration(self):
        for text in ("", "nonsense", "[]", "1", '{"cniVersion":', "[" * 100000, '{"prevResult":' + '{"a":' * 100000):
            for plugin in (PLUGIN, REFERENCE):
                with self.subTest(text[:20], plugin=plugin.name):
                    done = call(environment("ADD"), text, plugin)
                    self.assertEqual((done.returncode, json.loads(done.stdout)["code"]), (1, 6))

    def test_version(self):
        done = call({"CNI_COMMAND": "VERSION"}, "")
        reference = call({"CNI_COMMAND": "VERSION"}, "", REFERENCE)
        self.assertEqual((done.returncode, reference.returncode), (0, 0))
        self.assertEqual(json.loads(done.stdout), {"cniVersion": "1.1.0", "supportedVersions": list(VERSIONS)})
        self.assertEqual(json.loads(done.stdout).keys(), json.loads(reference.stdout).keys())

    def test_without_a_command_it_says_what_it_is(self):
        for plugin in (PLUGIN, REFERENCE):
            done = call({}, "", plugin)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            self.assertRegex(done.stderr, "CNI .*plugin.*\nCNI protocol versions supported: .*1.0.0")

    def test_unknown_keys_are_named(self):
        done = call(environment("ADD"), config(failurepolicy="closed", pinPath="/sys/fs/bpf/nobody"))
        self.assertEqual(done.returncode, 0)
        self.assertIn('unknown keys in the configuration: ["failurepolicy"]', done.stderr)


class Veth:
    """A pod that other plugins of a chain have made: its namespace, and a pair of interfaces."""

    def __init__(self, name, ifname="eth0"):
        self.name = f"{name}-{secrets.token_hex(2)}"
        self.host = f"h{secrets.token_hex(6)}"
        self.container_id = secrets.token_hex(32)
        self.ifname = ifname
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.host, "type", "veth", "peer", "name", ifname, "netns", self.name)
        run("ip", "link", "set", self.host, "up")

    def environment(self, command, **changes):
        return environment(command, CNI_CONTAINERID=self.container_id, CNI_NETNS=str(NETNS / self.name),
                           CNI_IFNAME=self.ifname, CNI_ARGS=f"K8S_POD_NAMESPACE=shop;K8S_POD_NAME={self.name}", **changes)

    def call(self, command, prefix=(), **changes):
        return call(self.environment(command), config(**changes), prefix=prefix)

    def remove(self):
        run("ip", "netns", "delete", self.name)


def entries(pin):
    dump = json.loads(run("bpftool", "--json", "map", "dump", "pinned", PINS / pin))
    return [entry["formatted"]["value"] for entry in dump]


def known_pods():
    return {pod["container_id"]: pod for pod in entries("pods")}


def metric(daemon, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", daemon.metrics(), re.MULTILINE).group(1))


class WithDaemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon("--grace-period", "1")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()


class FaultTest(WithDaemon):
    """ADD succeeds in time whatever is missing, with one line that says why."""

    def setUp(self):
        self.pod = Veth("fault")

    def tearDown(self):
        self.pod.remove()

    def assert_open(self, done, reason):
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(json.loads(done.stdout), json.loads(config())["prevResult"])
        self.assertRegex(done.stderr, reason)
        self.assertEqual(done.stderr.count("\n"), 1)

    def assert_closed(self, done, reason):
        self.assertEqual(done.returncode, 1)
        error = json.loads(done.stdout)
        self.assertEqual(error["code"], 100)
        self.assertRegex(error["details"], reason)

    def both_policies(self, reason, prefix=(), **changes):
        self.assert_open(self.pod.call("ADD", prefix, **changes), reason)
        self.assert_closed(self.pod.call("ADD", prefix, failurePolicy="closed", **changes), reason)
        self.assertEqual(self.pod.call("DEL", prefix, **changes).returncode, 0)

    def test_no_bpffs(self):
        self.both_policies(f"{PINS}/pods: No such file",
                           ("unshare", "--mount", "sh", "-c", 'umount -l /sys/fs/bpf; exec "$0"'))

    def test_bpffs_that_may_only_be_read(self):
        """The plugin writes to maps, not to the file system."""
        done = self.pod.call("ADD", ("unshare", "--mount", "sh", "-c", 'mount -o remount,ro,bind /sys/fs/bpf; exec "$0"'))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(own_filters(self.pod.host)), 2)

    def test_pins_of_another_version(self):
        pins = pathlib.Path("/sys/fs/bpf/other", LAYOUT)
        pins.mkdir(parents=True)
        run("bpftool", "map", "create", pins / "pods", "type", "hash", "key", "4", "value", "100", "entries", "8",
            "name", "pods")
        self.both_policies(f"/sys/fs/bpf/other/{LAYOUT}/pods: .*100", pinPath="/sys/fs/bpf/other")

    def test_missing_capability(self):
        for capability in ("sys_admin", "net_admin"):
            with self.subTest(capability):
                self.both_policies("Operation not permitted|Permission denied",
                                   ("setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}"))

    def test_namespace_that_is_gone(self):
        gone = {**self.pod.environment("ADD"), "CNI_NETNS": "/run/netns/gone"}
        self.assert_open(call(gone, config()), "/run/netns/gone: No such file")
        pathlib.Path("/run/netns/file").touch()
        self.assert_open(call({**gone, "CNI_NETNS": "/run/netns/file"}, config()), "/run/netns/file: Invalid argument")

    def test_interface_that_is_no_veth_is_named_counted_and_left_alone(self):
        counter = 'podrtt_unmeasured_adds_total{reason="no_veth"}'
        run(*in_netns(self.pod.name, "ip", "link", "add", "br0", "type", "bridge"))
        before = metric(self.daemon, counter)
        done = call({**self.pod.environment("ADD"), "CNI_IFNAME": "br0"}, config())
        self.assert_open(done, "br0 in .*: it is not a veth but bridge")
        self.assertEqual(metric(self.daemon, counter), before + 1)
        self.assertNotIn("clsact", run(*in_netns(self.pod.name, "tc", "qdisc", "show", "dev", "br0")))

    def test_full_map(self):
        pins = pathlib.Path("/sys/fs/bpf/small", LAYOUT)
        pins.mkdir(parents=True)
        size = json.loads(run("bpftool", "--json", "map", "show", "pinned", PINS / "pods"))["bytes_value"]
        run("bpftool", "map", "create", pins / "pods", "type", "hash", "key", "4", "value", size, "entries", "1", "name", "p")
        run("bpftool", "map", "create", pins / "settings", "type", "array", "key", "4", "value", "8", "entries", "16", "name", "s")
        first = Veth("first")
        self.assert_open(first.call("ADD", pinPath="/sys/fs/bpf/small"), "podrtt_.*: No such file")
        self.both_policies(f"/sys/fs/bpf/small/{LAYOUT}/pods: the map is full", pinPath="/sys/fs/bpf/small")
        first.remove()

    def test_failed_adds_are_counted(self):
        counter = 'podrtt_unmeasured_adds_total{reason="failed"}'
        before = metric(self.daemon, counter)
        with ThreadPoolExecutor(20) as pool:
            gone = {**self.pod.environment("ADD"), "CNI_NETNS": "/run/netns/gone"}
            list(pool.map(lambda _: call(gone, config(timeoutMs=10000)), range(20)))
        self.assertEqual(metric(self.daemon, counter), before + 20)

    def test_kernel_that_does_not_answer_in_time(self):
        fifo = pathlib.Path("/run/netns/fifo")
        os.mkfifo(fifo)
        counter = 'podrtt_unmeasured_adds_total{reason="deadline"}'
        before = metric(self.daemon, counter)
        done = call({**self.pod.environment("ADD"), "CNI_NETNS": str(fifo)}, config(timeoutMs=200))  # nobody opens it
        self.assert_open(done, "the deadline of 200 ms has passed")
        self.assertEqual(metric(self.daemon, counter), before + 1)

    def test_netlink_that_hangs(self):
        # strace holds each message for a second.
        strace = ("strace", "--follow-forks", "-qq", "--output=/dev/null", "--trace=sendmsg",
                  "--inject=sendmsg:delay_enter=1000000")
        process = subprocess.Popen([*strace, PLUGIN], env=self.pod.environment("ADD"), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        process.stdin.write(config())
        process.stdin.close()
        answer = process.stdout.readline()
        self.assertIsNone(process.poll())  # strace still holds messages of the child
        self.assertEqual(json.loads(answer), json.loads(config())["prevResult"])
        process.wait(30)

    def test_several_interfaces_of_one_pod(self):
        run("ip", "link", "add", f"{self.pod.host}b", "type", "veth", "peer", "name", "net1", "netns", self.pod.name)
        run("ip", "link", "set", f"{self.pod.host}b", "up")
        for ifname, host in (("eth0", self.pod.host), ("net1", f"{self.pod.host}b")):
            done = call({**self.pod.environment("ADD"), "CNI_IFNAME": ifname}, config())
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(len(own_filters(host)), 2)
        for ifname in ("eth0", "net1"):
            self.assertIn(f'interface="{ifname}"', self.daemon.metrics())
        done = call({**self.pod.environment("DEL"), "CNI_IFNAME": "net1"}, config())
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        deleted = {pod["ifname"]: bool(pod["deleted"]) for pod in entries("pods")
                   if pod["container_id"] == self.pod.container_id}
        self.assertEqual(deleted, {"eth0": False, "net1": True})

    def test_name_of_a_veth_that_is_used_again(self):
        """Azure derives it from the pod's name: ADD of the next pod may come before DEL of the last."""
        self.assertEqual(self.pod.call("ADD").stderr, "")
        run("ip", "link", "delete", self.pod.host)
        following = Veth("next")
        run("ip", "link", "set", following.host, "down")
        run("ip", "link", "set", following.host, "name", self.pod.host, "up")
        following.host = self.pod.host
        variables = {**following.environment("ADD"), "CNI_ARGS": self.pod.environment("ADD")["CNI_ARGS"]}
        self.assertEqual(call(variables, config()).stderr, "")
        self.assertEqual(self.pod.call("DEL").returncode, 0)
        self.assertEqual(len(own_filters(following.host)), 2)
        self.assertFalse(known_pods()[following.container_id]["deleted"])
        following.remove()

    def test_check_and_garbage_collection(self):
        self.pod.call("ADD")
        closed = {"failurePolicy": "closed"}
        self.assertEqual(self.pod.call("CHECK", **closed).returncode, 0)
        for hook in ("ingress", "egress"):
            run("tc", "filter", "delete", "dev", self.pod.host, hook)
        self.assert_closed(self.pod.call("CHECK", **closed), "not attached")
        self.assertEqual(self.pod.call("CHECK").returncode, 0)

        other = Veth("other")
        other.call("ADD")
        valid = [{"containerID": other.container_id, "ifname": "eth0"}]
        for network, deleted in (("another", False), ("podnet", True)):
            done = call(environment("GC"), config("1.1.0", name=network, **{"cni.dev/valid-attachments": valid}))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            self.assertEqual(bool(known_pods()[self.pod.container_id]["deleted"]), deleted)
        self.assertFalse(known_pods()[other.container_id]["deleted"])
        other.remove()

    def test_static_binary_needs_nothing_around_it(self):
        root = pathlib.Path("/run/empty")
        root.mkdir()
        shutil.copy(PLUGIN, root / "podrtt")
        for command in ("VERSION", "ADD", "DEL"):
            done = call({**self.pod.environment(command), "LC_ALL": "xx_XX.UTF-8", "LD_LIBRARY_PATH": "/nowhere:"}, config(),
                        "/podrtt", ("/usr/sbin/chroot", root))
            self.assertEqual(done.returncode, 0)
            self.assertEqual(bool(done.stdout), command != "DEL")
        self.assertIn("static-pie linked", run("file", PLUGIN))


class ConcurrencyTest(WithDaemon):
    def tearDown(self):
        for netns in NETNS.iterdir():
            run("ip", "netns", "delete", netns.name)
        wait_until(lambda: not known_pods(), "all pods are collected", 30)

    def test_two_hundred_pods_at_once(self):
        pods = [Veth(f"many{number}") for number in range(200)]
        with ThreadPoolExecutor(200) as pool:
            # As long as it takes: 200 processes share what few CPUs there are.
            answers = list(pool.map(lambda pod: pod.call("ADD", timeoutMs=10000), pods))
            self.assertEqual([answer.stderr for answer in answers], [""] * 200)
            self.assertEqual(known_pods().keys(), {pod.container_id for pod in pods})
            self.assertEqual([len(own_filters(pod.host)) for pod in pods], [2] * 200)
            answers = list(pool.map(lambda pod: pod.call("DEL", timeoutMs=10000), pods))
            self.assertEqual({answer.returncode for answer in answers}, {0})
        self.assertTrue(all(pod["deleted"] for pod in known_pods().values()))
        for pod in pods:
            pod.remove()

    def test_add_and_del_of_one_pod_at_once(self):
        for _ in range(20):
            pod = Veth("race")
            with ThreadPoolExecutor(6) as pool:
                answers = list(pool.map(pod.call, ("ADD", "DEL") * 3))
            self.assertEqual({answer.returncode for answer in answers}, {0})
            # Whoever was last, a pod whose interface lives is attached, and known once.
            self.assertEqual(len(own_filters(pod.host)), 2)
            self.assertIn(pod.container_id, known_pods())
            pod.remove()

    def test_kill_at_every_step(self):
        """The process that does the work is killed at each of its calls into the kernel in turn.
        The pod comes up all the same, and what was begun is finished or never seen."""
        kill = "strace --follow-forks -qq --output=/dev/null --trace={call} --inject={call}:signal=KILL:when={step}"
        for call_name in ("bpf", "sendmsg", "setns"):
            for step in range(1, 30):
                pod = Veth("killed")
                done = pod.call("ADD", kill.format(call=call_name, step=step).split())
                # Only the child is the one that calls these; the plugin itself answers.
                self.assertEqual((done.returncode, json.loads(done.stdout)), (0, json.loads(config())["prevResult"]))
                if pod.container_id in known_pods():
                    wait_until(lambda pod=pod: len(own_filters(pod.host)) == 2, f"killed at {call_name} {step}: attached by the daemon")
                else:
                    self.assertEqual(len(own_filters(pod.host)), 0)
                self.assertEqual(pod.call("DEL", kill.format(call=call_name, step=step).split()).returncode, 0)
                self.assertEqual(pod.call("DEL").returncode, 0)
                pod.remove()
                if "signal 9" not in done.stderr:
                    break
            self.assertGreater(step, 1, f"nothing was killed at {call_name}")
            self.assertLess(step, 29)


if __name__ == "__main__":
    unittest.main()
