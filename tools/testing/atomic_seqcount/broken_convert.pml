// SPDX-License-Identifier: GPL-2.0
/* Who fails to be sole stops being one before he is one of several. Has to fail. */
#define BROKEN_CONVERT
#include "atomic_seqcount.pml"
