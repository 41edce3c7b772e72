// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string>

#include "error.h"
#include "podrtt.h"

namespace podrtt
{

// Who the pod is, from CNI_ARGS ("K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop;…", in any
// order) and the container id. Runtimes without Kubernetes leave things out: a pod
// without a name is known by its container id, one without a namespace has none.
// What is not said there is left empty.
//
// The values come from outside: what is too long, or holds other characters than
// Kubernetes and the runtimes allow in names, is refused.
Result<podrtt_pod> parse_identity(const std::string &args, const std::string &container_id,
                                  const std::string &ifname);

} // namespace podrtt
