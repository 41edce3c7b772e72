# SPDX-License-Identifier: Apache-2.0
"""podrttd in a container that brings the plugin itself, beside containerd: what is around it, and what it has counted."""

import re
import urllib.request

CHAIN = {"cniVersion": "1.0.0", "name": "podnet", "plugins": [
    {"type": "ptp", "ipam": {"type": "host-local", "dataDir": "/run/ipam", "ranges": [[{"subnet": "10.99.0.0/16"}]],
                             "routes": [{"dst": "0.0.0.0/0"}]}}]}


def metrics():
    """Nothing while it does not answer."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:9435/metrics", timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def handshakes(name):
    """Of a pod in the namespace shop, on the network leg."""
    found = re.search(rf'^podrtt_tcp_handshake_seconds_count{{namespace="shop",pod="{name}",leg="network",.*}} (\d+)$',
                      metrics(), re.MULTILINE)
    return int(found.group(1)) if found else 0
