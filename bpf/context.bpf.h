/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a measure works on: one packet, and the flow it belongs to. */
#ifndef PODRTT_CONTEXT_BPF_H
#define PODRTT_CONTEXT_BPF_H

#include "bpf/clock.bpf.h"
#include "bpf/packet.bpf.h"

struct context {
    struct __sk_buff *skb;
    struct packet *packet;
    struct podrtt_flow *flow;
    struct clock clock;
};

#endif
