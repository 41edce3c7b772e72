# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of the data path, of its attachment and of AppArmor on other kernels: Debian's cloud
kernels, emulated by qemu, on this machine's own root file system, which they see read-only.
Run by hack/kernels."""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build/kernels"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MODULES = ("virtio_pci", "virtiofs", "overlay")  # what it takes to reach the root file system
BOOT_TIMEOUT = 1500

# On the initial RAM disk: this machine's root below, a file system in memory above.
INIT = """#!/bin/busybox sh
die() { echo "init: $*" >/dev/console; busybox poweroff -f; }
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
while read -r module; do busybox insmod /modules/$module || die "cannot load $module"; done </modules/order
busybox mount -t virtiofs -o ro root /below || die "cannot mount the root file system"
busybox mount -t tmpfs tmpfs /above
busybox mkdir /above/upper /above/work
busybox mount -t overlay -o lowerdir=/below,upperdir=/above/upper,workdir=/above/work overlay /root || die overlay
for word in $(busybox cat /proc/cmdline); do
    case $word in start=*) start=${word#start=} ;; esac
done
busybox umount /proc
exec busybox switch_root /root "$start" >/dev/console 2>&1
"""

# The first process behind it. Its second serial line is the command's output, the third
# takes the exit status.
START = """#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
mkdir -p /dev/shm /lib/modules
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
[ -e /lib/modules/$(uname -r) ] || ln -s {modules} /lib/modules/$(uname -r)
modprobe tun
ip link set lo up
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
cd {root}
setsid bash {folder}/command </dev/null >/dev/ttyS1 2>&1
echo $? >/dev/ttyS2
kill -9 -1
sync
busybox poweroff -f
"""

COMMAND = """
export PODRTT_BIN={binaries}
status=0
{binaries}/datapath_test --gtest_brief=1 || status=1
{binaries}/bpf_kernel_test --gtest_brief=1 || status=1
{binaries}/daemon_kernel_test --gtest_brief=1 || status=1
cd e2e/cases
for cases in {cases}; do
    ../rig/isolate {python} -W ignore -m unittest $(echo "$cases" | tr , " ") || status=1
done
exit $status
"""

# Modules of system tests, or some of their cases; each item gets a node of its own.
CASES = ("pod_test.PodTest.test_both_legs_of_both_families_are_measured,"
         "pod_test.PodTest.test_restart_of_the_daemon_loses_nothing",
         "attach_test", "apparmor_test")

# A kernel that is too old must be told so.
EXCLUDED_COMMAND = """
mount -t bpf bpf /sys/fs/bpf
{binaries}/podrttd run 2>&1 | tee /tmp/said
grep -q "needs Linux 5.15" /tmp/said
"""


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def apt_environment(kernels):
    """For apt with lists of its own, so that the machine's are left alone."""
    apt = CACHE / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    sources = {f"deb [signed-by={KEYRING}] http://deb.debian.org/{k['archive']} {k['suite']} main" for k in kernels}
    (apt / "sources.list").write_text("\n".join(sorted(sources)) + "\n")
    (apt / "apt.conf").write_text(f"""
Dir::Etc "{apt}"; Dir::Etc::SourceList "{apt}/sources.list"; Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Parts "/dev/null"; Dir::Etc::Preferences "/dev/null"; Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{apt}"; Dir::State::Lists "{apt}/lists"; Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache"; Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root"; Acquire::Languages "none";
Acquire::Check-Valid-Until "false"; Acquire::Check-Date "false";
""")
    return {**os.environ, "APT_CONFIG": str(apt / "apt.conf")}


def fetch(kernel, environment):
    """Unpacks the newest kernel that fits; returns its version, or None if there is none."""
    wanted = re.compile(f"linux-image-({kernel['version']}-cloud-amd64)")
    versions = [match.group(1) for name in run("apt-cache", "pkgnames", "linux-image-", env=environment).split()
                if (match := wanted.fullmatch(name))]
    if not versions:
        return None
    version = max(versions, key=lambda v: [int(number) for number in re.findall(r"\d+", v)])
    folder = CACHE / version
    if folder.exists():
        return version
    packages = [f"linux-image-{version}"]
    # From 7.x on the image is spread over several packages.
    for line in run("apt-cache", "depends", packages[0], env=environment).splitlines():
        if found := re.search(r"Depends: (linux-(?:binary|modules|base)-\S+-cloud-amd64)", line):
            packages.append(found.group(1))
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        run("apt-get", "download", "-qq", *packages, env=environment, cwd=work)
        unpacked = pathlib.Path(work) / "unpacked"
        for package in pathlib.Path(work).glob("*.deb"):
            run("dpkg", "-x", package, unpacked)
        if not (unpacked / "lib").exists():
            (unpacked / "lib").symlink_to("usr/lib")
        run("depmod", "-b", unpacked, version)
        unpacked.rename(folder)
    return version


def make_initrd(version, path):
    with tempfile.TemporaryDirectory() as work:
        root = pathlib.Path(work)
        for folder in ("bin", "modules", "proc", "dev", "below", "above", "root"):
            (root / folder).mkdir()
        shutil.copy("/bin/busybox", root / "bin/busybox")
        order = []
        for name in MODULES:
            for line in run("modprobe", "-d", CACHE / version, "-S", version, "--show-depends", name).splitlines():
                if not line.startswith("insmod "):
                    continue  # built in
                module = pathlib.Path(line.split()[1])
                target = module.name.removesuffix(".xz")
                if target not in order:
                    order.append(target)
                    data = module.read_bytes()
                    if module.suffix == ".xz":
                        data = subprocess.run(["xz", "-dc"], input=data, capture_output=True, check=True).stdout
                    (root / "modules" / target).write_bytes(data)
        (root / "modules/order").write_text("".join(f"{module}\n" for module in order))
        (root / "init").write_text(INIT)
        (root / "init").chmod(0o755)
        with open(path, "wb") as archive:
            subprocess.run("find . | busybox cpio -o -H newc -R 0:0", shell=True, cwd=root, check=True, stdout=archive,
                           stderr=subprocess.DEVNULL)


def boot(version, command):
    """Runs a shell script on the kernel; returns its exit status. What it prints is printed."""
    folder = CACHE / version
    image = next(path for path in (folder / f"boot/vmlinuz-{version}", folder / f"lib/modules/{version}/vmlinuz")
                 if path.exists())
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        work = pathlib.Path(work)
        work.chmod(0o755)
        make_initrd(version, work / "initrd")
        (work / "command").write_text(command)
        (work / "start").write_text(START.format(modules=folder / "lib/modules" / version, root=ROOT, folder=work))
        (work / "start").chmod(0o755)
        files = subprocess.Popen(
            ["/usr/lib/qemu/virtiofsd", f"--socket-path={work}/root.sock", "-o", "source=/", "-o", "cache=always",
             "-o", "sandbox=chroot"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (work / "root.sock").exists():
            time.sleep(0.05)
        try:
            subprocess.run(
                ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2", "-m", "2G",
                 "-object", "memory-backend-memfd,id=memory,size=2G,share=on", "-numa", "node,memdev=memory",
                 "-chardev", f"socket,id=root,path={work}/root.sock",
                 "-device", "vhost-user-fs-pci,chardev=root,tag=root,queue-size=1024",
                 "-kernel", image, "-initrd", work / "initrd",
                 "-append", f"console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable random.trust_cpu=on "
                            f"start={work}/start",
                 "-serial", f"file:{work}/console", "-chardev", "stdio,id=output,signal=off", "-serial",
                 "chardev:output", "-serial", f"file:{work}/status"],
                stdin=subprocess.DEVNULL, timeout=BOOT_TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            print(f"not done after {BOOT_TIMEOUT} s", file=sys.stderr)
        finally:
            files.terminate()
            files.wait()
        status = re.sub(r"\D", "", (work / "status").read_text()) if (work / "status").exists() else ""
        if not status:
            print((work / "console").read_text(errors="replace"), file=sys.stderr)
        return int(status) if status else 125


def main():
    parser = argparse.ArgumentParser(prog="hack/kernels", description=__doc__)
    parser.add_argument("kernel", nargs="*", help="those of e2e/rig/kernels.json to run on; all if none is given")
    options = parser.parse_args()
    known = json.loads((ROOT / "e2e/rig/kernels.json").read_text())
    names = [kernel["kernel"] for kernel in known]
    if unknown := set(options.kernel) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [kernel for kernel in known if not options.kernel or kernel["kernel"] in options.kernel]

    CACHE.mkdir(parents=True, exist_ok=True)
    environment = apt_environment(known)
    print("==> Kernels from Debian's archive", flush=True)
    run("apt-get", "update", "-qq", env=environment)
    binaries = ROOT / "build/release/bin"
    python = pathlib.Path(sys.executable).resolve()
    results = {}
    for kernel in chosen:
        version = fetch(kernel, environment)
        if not version:
            results[kernel["kernel"]] = "SKIPPED: not in Debian's archive"
            continue
        print(f"==> {version}", flush=True)
        if "excluded" in kernel:
            status = boot(version, EXCLUDED_COMMAND.format(binaries=binaries))
            results[version] = f"excluded: {kernel['excluded']}" if status == 0 else "FAILED: does not say that it is too old"
        else:
            status = boot(version, COMMAND.format(binaries=binaries, python=python, cases=" ".join(CASES)))
            results[version] = "passed" if status == 0 else f"FAILED: exit {status}"
    print()
    for version, result in results.items():
        print(f"{version:36} {result}")
    sys.exit(any(result.startswith("FAILED") for result in results.values()))


if __name__ == "__main__":
    main()
