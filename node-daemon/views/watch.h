// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>
#include <string>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"
#include "bpf/user/pins.h"
#include "node-daemon/views/stream.h"
#include "node-daemon/views/top.h"

namespace podrtt
{

struct WatchOptions {
    std::string interface;
    bool own = false;       // of a veth, too, it is this host that is measured
    bool shows_top = false; // else every sample, as podrttd stream
    TopOptions top;
    StreamOptions stream;
};

// Measures one interface of this network namespace, without a daemon and without CNI, until the view ends:
// attaches, shows, detaches, and leaves nothing pinned. Of a veth whose other end is elsewhere it is who
// lives there that is measured, as with a pod; of any other interface this host. EADDRINUSE if a podrttd
// measures it already.
Result<void> watch(const Pins &daemon, const WatchOptions &wanted, const Fd &termination, std::ostream &out,
                   std::ostream &notes);

} // namespace podrtt
