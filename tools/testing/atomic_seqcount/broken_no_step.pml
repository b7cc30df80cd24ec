// SPDX-License-Identifier: GPL-2.0
/* Sections do not count themselves: a writer that came and went is not seen. Has to fail. */
#define BROKEN_NO_STEP
#include "atomic_seqcount.pml"
