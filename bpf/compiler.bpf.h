/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hints to the compiler, as the kernel's own code has them, and to the verifier. */
#ifndef PODRTT_COMPILER_BPF_H
#define PODRTT_COMPILER_BPF_H

/* Code that hardly ever runs is kept out of the way of the code that runs for every packet:
 * a program that meets cold caches costs what it touches, its own instructions included. */
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* One access, neither torn nor repeated. */
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))

/* The same value, but unknown to the verifier; `unknown` is any value that it does not know. */
#define hide_from_verifier(value, unknown)                                                                 \
    ({                                                                                                     \
        typeof(value) hidden = (value);                                                                    \
        __asm__ volatile("%0 ^= %1; %0 ^= %1" : "+r"(hidden) : "r"(unknown));                              \
        hidden;                                                                                            \
    })

#endif
