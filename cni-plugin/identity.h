// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "error.h"
#include "podrtt.h"
#include "request.h"

namespace podrtt::cni
{

// Who the pod is, from CNI_ARGS ("K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop;…", in any
// order) and the container id. Runtimes without Kubernetes leave things out: a pod
// without a name is known by its container id, one without a namespace has none.
// `created` and `host_ifname` are left empty.
//
// The values come from outside: what is too long, or holds other characters than
// Kubernetes and the runtimes allow in names, is refused.
Result<podrtt_pod> parse_identity(const Parameters &parameters);

} // namespace podrtt::cni
