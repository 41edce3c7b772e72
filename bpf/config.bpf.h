/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Constants that user space sets before it loads the programs. */
#ifndef PODRTT_CONFIG_BPF_H
#define PODRTT_CONFIG_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/flow.h"

/* About how far the samples of one side lie apart, jiffies; 0: every write is one. */
const volatile __u16 sample_interval;

/* How far samples of bulk lie apart at least, jiffies. */
const volatile __u16 bulk_interval = 10;

/* A jiffy, in units of 32 ns. */
const volatile __u32 jiffy_time = PODRTT_FAKE_JIFFY_NS / PODRTT_TIME_UNIT_NS;

/* After so long nothing is waited for any more on a connection that was multiplexed: jiffies. */
const volatile __u16 multiplexed_for = 16000;

/* The entries of `histograms`, a power of two. */
const volatile __u32 histogram_places = PODRTT_DEFAULT_HISTOGRAMS;

/* The entries of `flows`, and the secret key of its hash. */
const volatile __u32 flow_sets = PODRTT_DEFAULT_FLOWS / PODRTT_FLOW_WAYS;
const volatile __u32 flow_hash_key[sizeof(struct podrtt_flow_key) / sizeof(__u32)];

#endif
