// SPDX-License-Identifier: GPL-2.0
/* A change before the section begins. Has to fail. */
#define BROKEN_ORDER
#include "atomic_seqcount.pml"
