// SPDX-License-Identifier: GPL-2.0
/* A change after the section ended. Has to fail. */
#define BROKEN_EARLY_END
#include "atomic_seqcount.pml"
