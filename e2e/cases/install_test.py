# SPDX-License-Identifier: Apache-2.0
"""podrttd install, and the daemon beside others that write the same file. Run by e2e/rig/isolate."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import node
from node import BIN, Daemon, run, wait_until

AZURE = """{
\t"cniVersion": "0.3.0",
\t"name": "azure",
\t"plugins": [
\t\t{
\t\t\t"type": "azure-vnet",
\t\t\t"mode": "transparent",
\t\t\t"windowsSettings": {}
\t\t}
\t]
}
"""


def setUpModule():
    node.prepare()


class InstallTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.TemporaryDirectory(dir="/run")
        self.conf = pathlib.Path(self.root.name, "net.d")
        self.bin = pathlib.Path(self.root.name, "bin")
        self.conf.mkdir()
        self.bin.mkdir()
        self.list = self.conf / "15-azure-swift-overlay.conflist"
        self.list.write_text(AZURE, encoding="ascii")
        self.list.chmod(0o640)
        self.options = ("--cni-conf-dir", self.conf, "--cni-bin-dir", self.bin)
        self.waits = {"uninstall": ("--wait", 0)}

    def tearDown(self):
        self.root.cleanup()

    def call(self, command, *options):
        return run(BIN / "podrttd", command, *self.options, *self.waits.get(command, ()), *options)

    def types(self):
        return [plugin["type"] for plugin in json.loads(self.list.read_text(encoding="ascii"))["plugins"]]

    def everything(self):
        return sorted(str(path.relative_to(self.root.name)) for path in pathlib.Path(self.root.name).rglob("*"))

    def test_install_and_uninstall(self):
        before = self.everything()
        said = self.call("install", "--dry-run")
        self.assertIn('+\t\t{"type":"podrtt"}', said)
        self.assertEqual((self.everything(), self.list.read_text(encoding="ascii")), (before, AZURE))
        self.call("install")
        self.assertEqual(self.types(), ["azure-vnet", "podrtt"])
        self.assertEqual(self.list.stat().st_mode & 0o7777, 0o640)
        self.assertIn("0.3.0", subprocess.run([self.bin / "podrtt"], input="{}", env={"CNI_COMMAND": "VERSION"},
                                              capture_output=True, text=True, check=True).stdout)
        self.assertEqual(self.call("install"), "")  # there is nothing left to do
        self.call("uninstall")
        self.assertEqual((self.everything(), self.list.read_text(encoding="ascii")), (before, AZURE))
        self.call("uninstall")

    def test_drop_in(self):
        before = self.everything()
        self.call("install", "--drop-in")
        self.assertEqual(self.types(), ["azure-vnet"])
        self.assertEqual(json.loads((self.conf / "azure/podrtt.conf").read_text(encoding="ascii")), {"type": "podrtt"})
        self.call("uninstall")
        self.assertEqual(self.everything(), before)

    def test_entry_moves_from_list_to_drop_in_and_back(self):
        drop_in = self.conf / "azure/podrtt.conf"
        for options, in_list in (((), True), (("--drop-in",), False), ((), True)):
            self.call("install", *options)
            self.assertEqual((self.types() == ["azure-vnet", "podrtt"], drop_in.exists()), (in_list, not in_list))
            self.assertEqual(self.call("install", *options), "")

    def test_keys_of_the_operator_move_along(self):
        drop_in = self.conf / "azure/podrtt.conf"
        own = {"type": "podrtt", "failurePolicy": "closed"}
        self.list.write_text(json.dumps({**json.loads(AZURE), "plugins": [{"type": "azure-vnet"}, own]}), encoding="ascii")
        self.call("install", "--drop-in")
        self.assertEqual((json.loads(drop_in.read_text(encoding="ascii")), self.types()), (own, ["azure-vnet"]))
        self.assertEqual(self.call("install", "--drop-in"), "")
        self.call("install")
        self.assertEqual(json.loads(self.list.read_text(encoding="ascii"))["plugins"][-1], own)
        self.assertFalse(drop_in.exists())

    def test_plugin_outlives_its_entry_for_pods_on_their_way(self):
        self.call("install")
        self.waits = {}
        with subprocess.Popen([BIN / "podrttd", "uninstall", *map(str, self.options), "--wait", "2"]) as uninstall:
            wait_until(lambda: self.types() == ["azure-vnet"], "the entry is gone")
            self.assertTrue((self.bin / "podrtt").exists())
            self.assertEqual(uninstall.wait(10), 0)
        self.assertFalse((self.bin / "podrtt").exists())

    def write_go_executable(self, path, libcni):
        """An executable with the build information that Go puts into its own."""
        section = pathlib.Path(self.root.name, "section")
        modules = f"dep\tgithub.com/containernetworking/cni\tv{libcni}\th1:abc=\n" if libcni else ""
        section.write_bytes(b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\x08go1.22.1\x7f" + modules.encode())
        run("objcopy", "--add-section", f".go.buildinfo={section}", "/bin/true", path)
        section.unlink()

    def test_runtime_decides_on_the_drop_in(self):
        drop_in, runtime = self.conf / "azure/podrtt.conf", pathlib.Path(self.root.name, "containerd")
        for version, expected in (("1.1.2", False), ("1.2.9", False), ("1.3.0", True), ("1.10.1-rc.1", True), ("2.0.0", True),
                                  ("x", False), ("", False)):
            with self.subTest(version):
                self.write_go_executable(runtime, version)
                self.call("install", "--runtime", runtime)
                self.assertEqual((drop_in.exists(), self.types()[-1] == "podrtt"), (expected, not expected))
        self.write_go_executable(runtime, "1.3.0")
        for forbidding in ("true", '"True"'):
            self.list.write_text(AZURE.replace('"name"', f'"loadOnlyInlinedPlugins": {forbidding}, "name"'), encoding="ascii")
            for option in (("--runtime", runtime), ("--drop-in",)):
                self.call("install", *option)
                self.assertEqual((drop_in.exists(), self.types()[-1]), (False, "podrtt"))
        self.call("install", "--runtime", "/nonexistent")

    def test_of_several_lists_the_one_that_runtimes_take(self):
        (self.conf / "20-later.conflist").write_text(AZURE, encoding="ascii")
        (self.conf / "01-old.conflist.old").write_text(AZURE, encoding="ascii")
        self.call("install")
        self.assertEqual(self.types(), ["azure-vnet", "podrtt"])
        self.assertEqual((self.conf / "20-later.conflist").read_text(encoding="ascii"), AZURE)

    def test_none_gets_it_while_the_first_is_written(self):
        torn = self.conf / "05-torn.conflist"
        torn.write_text('{"name": "half', encoding="ascii")
        with self.assertRaisesRegex(node.CommandFailed, "05-torn.conflist"):
            self.call("install")
        self.assertEqual(self.types(), ["azure-vnet"])
        torn.write_text(AZURE, encoding="ascii")
        self.call("install")
        self.assertIn("podrtt", torn.read_text(encoding="ascii"))
        self.assertEqual(self.types(), ["azure-vnet"])

    def test_list_that_is_a_link_stays_one(self):
        target = pathlib.Path(self.root.name, "azure.json")
        self.list.rename(target)
        self.list.symlink_to(target)
        self.call("install")
        self.assertTrue(self.list.is_symlink())
        self.assertEqual(self.types(), ["azure-vnet", "podrtt"])
        self.call("uninstall")
        self.assertTrue(self.list.is_symlink())
        self.assertEqual(target.read_text(encoding="ascii"), AZURE)

    def test_no_entry_where_the_plugin_cannot_be_run(self):
        self.call("install")
        run("mount", "--bind", self.bin, self.bin)
        try:
            run("mount", "-o", "remount,noexec,bind", self.bin)
            with self.assertRaisesRegex(node.CommandFailed, "Permission denied"):
                self.call("install")
            self.assertEqual(self.list.read_text(encoding="ascii"), AZURE)
            run("mount", "-o", "remount,exec,bind", self.bin)
            self.call("install")
            self.assertIn("podrtt", self.types())
        finally:
            run("umount", self.bin)

    def test_none_is_made_where_there_is_none(self):
        self.list.unlink()
        with self.assertRaisesRegex(node.CommandFailed, "there is none that podrtt could be added to"):
            self.call("install")
        self.assertEqual(list(self.conf.iterdir()), [])

    def test_plugin_is_replaced_while_it_runs(self):
        self.call("install")
        busy = self.bin / "podrtt"
        with subprocess.Popen([busy], stdin=subprocess.PIPE, env={"CNI_COMMAND": "VERSION"}, stdout=subprocess.DEVNULL) as running:
            other = pathlib.Path(self.root.name, "other")
            other.write_bytes((BIN / "podrtt").read_bytes() + b"another version")
            self.call("install", "--plugin", other)
            running.stdin.close()
        self.assertEqual(busy.read_bytes(), other.read_bytes())

    def test_directory_of_plugins_is_read_only(self):
        run("mount", "--bind", self.bin, self.bin)
        run("mount", "-o", "remount,ro,bind", self.bin)
        try:
            daemon = self.daemon()
            self.wait_for_log("Read-only file system")
            self.assertIn("podrtt_plugin_installed 0\n", daemon.metrics())
            self.assertEqual(self.ready(), 503)
            self.assertEqual(self.list.read_text(encoding="ascii"), AZURE)  # no entry without its plugin
            daemon.stop()
        finally:
            run("umount", self.bin)

    def test_disk_is_full(self):
        """What was there stays as it was, and nothing half written is left."""
        for full, directory in (("bin", self.bin), ("net.d", self.conf)):
            with self.subTest(full):
                self.call("uninstall")
                copy = {path.name: path.read_bytes() for path in directory.iterdir()}
                run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory)
                try:
                    for name, content in copy.items():
                        (directory / name).write_bytes(content)
                    with open(directory / "ballast", "wb", buffering=0) as ballast, self.assertRaises(OSError):
                        while True:
                            ballast.write(b"x" * 4096)
                    before = self.everything()
                    with self.assertRaisesRegex(node.CommandFailed, "No space left on device"):
                        self.call("install")
                    self.assertEqual(self.types(), ["azure-vnet"])
                    self.assertEqual(self.everything(), before if full == "bin" else sorted([*before, "bin/podrtt"]))
                    daemon = self.daemon()
                    self.wait_for_log("No space left on device")
                    self.assertIn("podrtt_plugin_installed 0\n", daemon.metrics())
                    (directory / "ballast").unlink()
                    if full == "bin":  # the plugin would not fit either
                        daemon.stop()
                        continue
                    wait_until(lambda: "podrtt" in self.types(), "the entry is there when there is room again")
                    daemon.stop()
                finally:
                    run("umount", directory)

    def daemon(self, *options, **more):
        self.log = pathlib.Path(self.root.name, "log")
        with open(self.log, "w", encoding="utf-8") as log:
            return Daemon("--install", *map(str, self.options), *options, stderr=log, **more)

    def wait_for_log(self, text):
        wait_until(lambda: text in self.log.read_text(encoding="utf-8"), f"the log says {text!r}", 30)

    def ready(self):
        try:
            with urllib.request.urlopen("http://127.0.0.1:9435/readyz", timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def rewrite(self):
        """As CNS does when it starts."""
        temporary = self.conf / "15-azure-swift-overlay.conflist.tmp"
        temporary.write_text(AZURE, encoding="ascii")
        os.rename(temporary, self.list)

    def test_entry_comes_back_whoever_writes_the_list(self):
        daemon = self.daemon()
        wait_until(lambda: self.ready() == 200, "podrttd is ready")
        self.assertIn("podrtt", self.types())
        self.assertIn("podrtt_plugin_installed 1\n", daemon.metrics())
        for _ in range(5):
            self.rewrite()
            wait_until(lambda: "podrtt" in self.types(), "the entry is back", 60)
        for _ in range(3):  # as dropgz does: the file is missing, then half there
            self.list.rename(self.list.with_suffix(".old"))
            time.sleep(0.05)
            self.list.write_text(AZURE[:60], encoding="ascii")
            time.sleep(0.05)
            self.assertEqual(self.list.read_text(encoding="ascii"), AZURE[:60])
            self.list.write_text(AZURE, encoding="ascii")
            wait_until(lambda: "podrtt" in self.types(), "the entry is back", 60)
        daemon.stop()
        self.assertIn("podrtt", self.types())  # an upgrade looks like an end

    def test_another_writer_that_never_gives_in(self):
        daemon = self.daemon()
        rewrites = 0
        end = time.monotonic() + 8
        while time.monotonic() < end:
            if "podrtt" in self.types():
                rewrites += 1
                self.rewrite()
            time.sleep(0.02)
        self.assertLessEqual(rewrites, 13)
        self.assertIn("podrtt_plugin_contended 1\n", daemon.metrics())
        self.assertIn("podrtt_plugin_installed 0\n", daemon.metrics())
        self.assertEqual(self.ready(), 503)
        lines = self.log.read_text(encoding="utf-8").splitlines()
        self.assertLess(len(lines), 20)
        self.assertIn(len([line for line in lines if "again and again" in line]), (1, 2, 3))  # once for each pause
        daemon.stop()

    def test_no_directory_and_no_inotify_at_first(self):
        away = self.conf.with_name("away")
        self.conf.rename(away)
        daemon = self.daemon(prefix=("strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=inotify_init1", "-e",
                                     "inject=inotify_init1:error=EMFILE"))
        self.wait_for_log("there is none")
        self.wait_for_log("cannot watch")
        self.assertEqual(self.ready(), 503)
        away.rename(self.conf)
        wait_until(lambda: self.ready() == 200, "podrttd is ready", 30)
        self.assertIn("podrtt", self.types())
        self.rewrite()
        wait_until(lambda: "podrtt" in self.types(), "the entry is back", 30)
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
