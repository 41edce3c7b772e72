#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the root file system of the image: executables, the libraries that they are linked with, the licences of
the packages that these are from, and what is known of them: dpkg's own words in /var/lib/dpkg/status.d, where scanners
look, and an SBOM (SPDX 2.3) in /usr/share/sbom. Run by hack/Dockerfile: root.py EXECUTABLE... DIRECTORY."""

import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

SBOM = "usr/share/sbom/podrtt.spdx.json"


MULTIARCH = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()
TERMINALS = ("d/dumb", "l/linux", "s/screen", "s/screen-256color", "t/tmux", "t/tmux-256color", "v/vt100", "v/vt220", "x/xterm",
             "x/xterm-256color")  # of podrttd top
UPLOT_LICENCE = "node-daemon/views/page/uplot/LICENSE"  # of the live page
STATIC = ("libbpf.a", "libnl-3.a", "libnl-route-3.a", "libelf.a", "libz.a", "libc.a")  # of the plugin


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def libraries(executable):
    """The paths by which the loader finds them, the loader's own included; none of a static executable."""
    listed = subprocess.run(["ldd", executable], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(/\S+) \(0x", listed))


def package_of(path):
    """dpkg may know a file by its place below /usr, or by that below /."""
    for known in {str(path), str(path).removeprefix("/usr"), f"/usr{path}", str(pathlib.Path(path).resolve())}:
        if found := subprocess.run(["dpkg-query", "--search", known], capture_output=True, text=True, check=False).stdout:
            return found.split(": ")[0].split(":")[0]
    raise SystemExit(f"root.py: no package has {path}")


def copy(source, target, mode=0o755):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(pathlib.Path(source).resolve(), target)
    target.chmod(mode)


def reference(name):
    """How the SBOM calls a package of Debian."""
    return f"SPDXRef-debian-{re.sub('[^A-Za-z0-9.-]', '-', name)}"


def describe(name):
    architecture, version, source, source_version = output(
        "dpkg-query", "--show", "--showformat=${Architecture} ${Version} ${source:Package} ${source:Version}", name).split()
    return {"SPDXID": reference(name), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "sourceInfo": f"built from {source} {source_version}", "filesAnalyzed": False, "licenseDeclared": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": f"pkg:deb/debian/{name}@{version}?arch={architecture}&distro=debian-12"}]}


def sbom(executables, packages, root):
    version = output(executables[0], "--version").split()[1]
    made = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    files = [{"SPDXID": f"SPDXRef-file-{path.name}", "fileName": f"./usr/bin/{path.name}",
              "checksums": [{"algorithm": kind.upper(), "checksumValue": hashlib.new(kind, path.read_bytes()).hexdigest()}
                            for kind in ("sha1", "sha256")]}
             for path in (root / "usr/bin" / pathlib.Path(executable).name for executable in executables)]
    relationships = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-podrtt"),
                     *(("SPDXRef-podrtt", "CONTAINS", file["SPDXID"]) for file in files),
                     *(("SPDXRef-podrtt", "DEPENDS_ON", reference(name)) for name in packages)]
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"podrtt-{version}",
        "creationInfo": {"created": made.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: podrtt-hack-oci-root"]},
        "packages": [{"SPDXID": "SPDXRef-podrtt", "name": "podrtt", "versionInfo": version, "downloadLocation": "NOASSERTION",
                      "licenseDeclared": "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause) AND MIT", "filesAnalyzed": False},
                     *map(describe, packages)],
        "files": files,
        "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
                          for one, kind, other in relationships]}
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return document | {"documentNamespace": f"https://spdx.org/spdxdocs/podrtt-{version}-{digest[:32]}"}


def main():
    *executables, directory = sys.argv[1:]
    root = pathlib.Path(directory)
    needed = sorted(set().union(*map(libraries, executables)))
    # What the plugin is linked with for good is part of it, and so of the image.
    packages = sorted({package_of(path) for path in (*needed, f"/lib/terminfo/{TERMINALS[0]}")} | {package_of(f"/usr/lib/{MULTIARCH}/{name}") for name in STATIC})
    for executable in executables:
        copy(executable, root / "usr/bin" / pathlib.Path(executable).name)
    for path in needed:
        copy(path, root / path.lstrip("/"))
    for name in TERMINALS:
        copy(f"/lib/terminfo/{name}", root / "lib/terminfo" / name, 0o644)
    copy(UPLOT_LICENCE, root / "usr/share/doc/podrtt/copyright.uplot", 0o644)
    for name in packages:
        copy(f"/usr/share/doc/{name}/copyright", root / "usr/share/doc" / name / "copyright", 0o644)
        status = root / "var/lib/dpkg/status.d" / name
        status.parent.mkdir(parents=True, exist_ok=True)
        status.write_text(output("dpkg-query", "--status", name), encoding="utf-8")
    (root / SBOM).parent.mkdir(parents=True, exist_ok=True)
    (root / SBOM).write_text(json.dumps(sbom(executables, packages, root), indent=1) + "\n", encoding="utf-8")
    print(f"{len(needed)} libraries of {len(packages)} packages", flush=True)


if __name__ == "__main__":
    main()
