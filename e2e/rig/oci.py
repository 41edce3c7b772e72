# SPDX-License-Identifier: Apache-2.0
"""Images as OCI archives of one layer, so that no registry and no builder is needed."""

import hashlib
import io
import json
import tarfile

from node import run


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def archive(path, name, files, entrypoint):
    """Writes the image `name` to `path`; `files` says what of this machine is where in it, directories with what they hold."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for place, source in files.items():
            tar.add(source, place)
    config = {"architecture": run("dpkg", "--print-architecture").strip(), "os": "linux",
              "rootfs": {"type": "layers", "diff_ids": [digest(layer.getvalue())]}, "config": {"Entrypoint": entrypoint}}
    with tarfile.open(path, "w") as tar:
        def add(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

        def add_blob(data, kind):
            add(f"blobs/sha256/{digest(data).split(':')[1]}", data)
            return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(data), "size": len(data)}

        add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": add_blob(json.dumps(config).encode(), "config.v1+json"),
                    "layers": [add_blob(layer.getvalue(), "layer.v1.tar")]}
        entry = add_blob(json.dumps(manifest).encode(), "manifest.v1+json")
        entry["annotations"] = {"io.containerd.image.name": name}
        add("index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
