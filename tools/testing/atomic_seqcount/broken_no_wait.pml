// SPDX-License-Identifier: GPL-2.0
/* Nobody waits for the sole writer: changes are lost. Has to fail. */
#define BROKEN_NO_WAIT
#include "atomic_seqcount.pml"
