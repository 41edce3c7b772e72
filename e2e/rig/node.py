# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes node in small: network namespaces for pods, made by a chain of CNI plugins
as a container runtime would call it. Runs inside e2e/rig/isolate."""

import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PODRTT_BIN", ROOT / "build/release/bin"))
CNI_BIN = pathlib.Path("/usr/lib/cni")  # Debian's containernetworking-plugins
NETNS = pathlib.Path("/run/netns")
LAYOUT = "v" + re.search(r"#define PODRTT_LAYOUT (\d+)", (ROOT / "bpf/podrtt.h").read_text(encoding="utf-8")).group(1)
PINS = pathlib.Path("/sys/fs/bpf/podrtt") / LAYOUT

# IPv6 addresses are usable at once. Before the end of duplicate address detection nobody
# would answer for them, and the first SYN would be sent again after a second.
NO_DAD = ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")


class CommandFailed(Exception):
    pass


def run(*command, **options):
    """Runs a command; returns what it printed. Its failure is an exception that says why."""
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}: exit {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def wait_until(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise TimeoutError(f"not within {seconds} s: {what}")


def in_netns(name, *command):
    """A command line that runs `command` in a network namespace; ip netns exec would
    also change what is mounted on /sys."""
    return ["nsenter", f"--net={NETNS / name}", *(str(word) for word in command)]


# The command line of real TCP traffic, and of the server that it needs.
TRAFFIC = [sys.executable, ROOT / "e2e/rig/traffic.py"]


def _start_server(enter, *command):
    server = subprocess.Popen([*enter, *TRAFFIC, *command], stdout=subprocess.PIPE, text=True)
    if server.stdout.readline() != "ready\n":
        raise CommandFailed("a server did not start")
    return server


def serve(enter, port):
    """Starts the server of traffic.py where the command line `enter` leads, and waits until it answers."""
    return _start_server(enter, "serve", str(port))


def serve_names(enter):
    """The same of its DNS server."""
    return _start_server(enter, "names")


def requests(pod, address, port, connections=1, count=1, timeout=60):
    """Requests with their answers, `count` on each of some connections, one after the other."""
    if pod.popen(*TRAFFIC, "requests", address, port, connections, count).wait(timeout) != 0:
        raise CommandFailed("traffic failed")


def floats(pod, *traffic, timeout=120):
    """What traffic.py prints in the pod."""
    client = pod.popen(*TRAFFIC, *traffic, stdout=subprocess.PIPE, text=True)
    said = client.communicate(timeout=timeout)[0]
    if client.returncode != 0:
        raise CommandFailed("traffic failed")
    return [float(word) for word in said.split()]


def samples(pod, leg, kind):
    """How many samples the kernel's histograms hold of a pod."""
    return sum(s["samples"] for s in top() if (s["pod"], s["leg"], s["kind"]) == (pod.name, leg, kind))


def filters(device, *hooks, enter=()):
    """The tc filters of an interface, in the order in which they run; of both directions unless told."""
    return [line for hook in hooks or ("ingress", "egress")
            for line in run(*enter, "tc", "filter", "show", "dev", device, hook).splitlines() if "handle 0x" in line]


def own_filters(device, *hooks, enter=()):
    return [line for line in filters(device, *hooks, enter=enter) if "podrtt_" in line]


def prepare():
    """To be called once: turns the namespaces that e2e/rig/isolate made into a node."""
    while subprocess.run(["umount", "--lazy", "/sys/fs/bpf"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        pass  # the machine's own, which a test that unmounts this one would see
    run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    NETNS.mkdir()
    run("ip", "link", "set", "lo", "up")
    run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", *NO_DAD)


def own_cni_state():
    """Where libcni has its cache, of this node alone."""
    pathlib.Path("/var/lib/cni").mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/cni")


def add_netns(name):
    run("ip", "netns", "add", name)
    run(*in_netns(name, "ip", "link", "set", "lo", "up"))
    run(*in_netns(name, "sysctl", "-qw", *NO_DAD))


def configure_link(device, v4, v6, netns=None):
    enter = in_netns(netns) if netns else []
    run(*enter, "ip", "address", "add", v4, "dev", device)
    run(*enter, "ip", "address", "add", v6, "dev", device)
    run(*enter, "ip", "link", "set", device, "up")


class Peer:
    """A host that pods talk to, in a network namespace of its own."""

    def __init__(self, name, number):
        self.name = name
        self.v4, self.v6 = f"10.{number}.0.2", f"fd00:{number}::2"
        self._near = (f"10.{number}.0.1/24", f"fd00:{number}::1/64")
        self.device = f"{name}0"
        add_netns(name)

    def _route(self):
        configure_link(self.device, *self._near)
        configure_link("eth0", f"{self.v4}/24", f"{self.v6}/64", self.name)
        for family, gateway in (("-4", self._near[0]), ("-6", self._near[1])):
            run(*in_netns(self.name, "ip", family, "route", "add", "default", "via", gateway.split("/")[0]))

    def connect(self):
        """By a veth, without delay."""
        run("ip", "link", "add", self.device, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        self._route()

    def connect_by_delay_line(self, delay_us, log, jitter_us=0, loss_permille=0, lose_first_syn=False,
                              lose_each=0):
        """By a line that holds every frame for delay_us and up to jitter_us in each direction, and loses each
        so many frames with data that go to the peer."""
        self.line = subprocess.Popen(
            [BIN / "delay_line", NETNS / self.name, self.device, "eth0", str(delay_us), log, str(jitter_us),
             str(loss_permille), str(int(lose_first_syn)), str(lose_each)],
            stdout=subprocess.PIPE, text=True)
        if self.line.stdout.readline() != "ready\n":
            raise CommandFailed("delay_line did not start")
        self._route()

    def wait_until_reached(self):
        """So that nothing that is measured waits for a neighbour's address."""
        wait_until(lambda: run(*TRAFFIC, "ping", self.v4, 1) == "1\n", "the line is up")

    def disconnect(self):
        """Ends the delay line; its log is complete then."""
        self.line.terminate()
        if self.line.wait() != 0:
            raise CommandFailed("delay_line failed")


def near_server(port):
    """A peer without delay, "near", with the server of traffic.py at a port."""
    peer = Peer("near", 200)
    peer.connect()
    serve(in_netns(peer.name), port)
    return peer


class Chain:
    """A conflist, carried out as libcni does."""

    def __init__(self, name="podnet", cni_version="1.0.0", podrtt=None):
        self.name = name
        self.cni_version = cni_version
        ipam = {
            "type": "host-local",
            "dataDir": "/run/ipam",
            "ranges": [[{"subnet": "10.99.0.0/16"}], [{"subnet": "fd99::/64"}]],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        }
        self.plugins = [{"type": "ptp", "ipam": ipam}, {"type": "podrtt", **(podrtt or {})}]

    def call(self, command, plugin, environment, previous):
        config = {"cniVersion": self.cni_version, "name": self.name, **plugin}
        if previous is not None:
            config["prevResult"] = previous
        folder = BIN if plugin["type"] == "podrtt" else CNI_BIN
        done = subprocess.run(
            [folder / plugin["type"]], input=json.dumps(config), capture_output=True, text=True,
            env={"CNI_COMMAND": command, "CNI_PATH": f"{CNI_BIN}:{BIN}", "PATH": os.environ["PATH"], **environment})
        if done.stderr:
            print(f"{plugin['type']} {command}: {done.stderr.strip()}", file=sys.stderr)
        if done.returncode != 0:
            raise CommandFailed(f"{plugin['type']} {command}: {done.stdout}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def add(self, environment):
        result = None
        for plugin in self.plugins:
            result = self.call("ADD", plugin, environment, result)
        return result

    def delete(self, environment, result=None):
        for plugin in reversed(self.plugins):
            self.call("DEL", plugin, environment, result)


class Pod:
    """A pod sandbox: a network namespace, and the arguments that kubelet's runtime gives."""

    def __init__(self, chain, namespace, name, uid=None):
        self.chain, self.namespace, self.name = chain, namespace, name
        self.uid = uid or f"uid-{namespace}-{name}"
        self.container_id = secrets.token_hex(32)
        self.netns = f"cni-{self.container_id[-12:]}"
        self.environment = {
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": str(NETNS / self.netns),
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name};"
                        f"K8S_POD_INFRA_CONTAINER_ID={self.container_id};K8S_POD_UID={self.uid}",
        }

    def create(self):
        add_netns(self.netns)
        self.result = self.chain.add(self.environment)
        addresses = [ip["address"].split("/")[0] for ip in self.result["ips"]]
        self.v4 = next(address for address in addresses if ":" not in address)
        self.v6 = next(address for address in addresses if ":" in address)
        self.host_veth = self.result["interfaces"][0]["name"]
        return self

    def delete(self):
        self.chain.delete(self.environment, self.result)
        run("ip", "netns", "delete", self.netns)

    def syn_retransmits(self):
        """How often the pod's kernel has sent a SYN again (TcpExtTCPSynRetrans). The handshake
        of such a connection is ambiguous, so podrtt may leave it out."""
        names, values = [line.split() for line in
                         run(*in_netns(self.netns, "cat", "/proc/net/netstat")).splitlines() if line.startswith("TcpExt")]
        return int(values[names.index("TCPSynRetrans")])

    def popen(self, *command, **options):
        return subprocess.Popen(in_netns(self.netns, *command), **options)


# All that a daemon can say of a pod.
EVERYTHING = ("--pod-metrics", "all", "--pod-buckets", "all")


class Daemon:
    """podrttd run, and what it says."""

    series = EVERYTHING

    def __init__(self, *options, listen="127.0.0.1:9435", stderr=None, prefix=(), pin_path=PINS.parent):
        self.listen = listen
        pins = ("--pin-path", pin_path) if pin_path else ()  # else the usual ones
        self.process = subprocess.Popen([*prefix, BIN / "podrttd", *pins, "run", "--listen", listen, *self.series, *options],
                                        stderr=stderr)
        wait_until(self._serves, "podrttd serves /metrics")

    def _serves(self):
        if self.process.poll() is not None:
            raise CommandFailed(f"podrttd ended with {self.process.returncode}")
        try:
            return self.metrics()
        except urllib.error.URLError:
            return None

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.listen}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def stop(self):
        self.process.terminate()
        if self.process.wait(10) != 0:
            raise CommandFailed(f"podrttd ended with {self.process.returncode}")


def top():
    """The histograms in the kernel, as podrttd top shows them."""
    return json.loads(run(BIN / "podrttd", "top", "--json"))
